//! The grammar, a sentence at a time, and whatever else comes in.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

fn names() -> FilterNames {
    FilterNames::default().with("characterId", "character")
}

fn parse(text: &str) -> JobFilter {
    JobFilter::parse(text, &names()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    match JobFilter::parse(text, &names()) {
        Ok(filter) => panic!("{text}: {filter:?}"),
        Err(error) => error.to_string(),
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn label(name: &str, value: &str) -> Labels {
    Labels::from([(name.to_owned(), value.to_owned())])
}

const NEW_YEAR: Timestamp = Timestamp(1_767_225_600_000);
const HOUR: Duration = Duration::from_hours(1);

#[test]
fn the_sentence_of_the_description_is_understood() {
    let text = "state:failed kind:walrus.* queue:default error:disk_full,gone label.service:x created:>2026-01-01 ended:<1h some words";
    let filter = parse(text);
    assert_eq!(filter.states, [State::Failed]);
    assert_eq!(filter.kinds, ["walrus.*"]);
    assert_eq!(filter.queues, ["default"]);
    assert_eq!(filter.errors, ["disk_full", "gone"]);
    assert_eq!(filter.labels, label("service", "x"));
    assert_eq!(filter.text, ["some", "words"]);
    let later = |moment| Period {
        after: Some(moment),
        before: None,
    };
    assert_eq!(filter.created, later(Moment::At(NEW_YEAR)));
    assert_eq!(filter.ended, later(Moment::Ago(HOUR)));
    assert!(!filter.is_empty());
    assert!(parse(" \t\n ").is_empty());
}

#[test]
fn commas_and_repetition_name_several() {
    let both = [State::Failed, State::Cancelled];
    assert_eq!(parse("state:failed,cancelled").states, both);
    assert_eq!(parse("state:failed state:cancelled").states, both);
    assert_eq!(
        parse("status:processing,failed").statuses,
        ["processing", "failed"]
    );
    assert_eq!(parse("kind:a,b.* kind:c").kinds, ["a", "b.*", "c"]);
    assert_eq!(parse("label.list:a,b").labels, label("list", "a,b"));
    assert_eq!(parse("a,b").text, ["a,b"]);
}

#[test]
fn quotes_keep_together_what_belongs_together() {
    assert_eq!(parse(r#"queue:"to day","a,b""#).queues, ["to day", "a,b"]);
    assert_eq!(
        parse(r#""state:failed" "two words""#).text,
        ["state:failed", "two words"]
    );
    assert_eq!(parse(r#""say \"a\\b\"":c,d"#).text, [r#"say "a\b":c,d"#]);
    assert_eq!(parse(r#"label.empty:"""#).labels, label("empty", ""));
    assert_eq!(parse(r#"label."a b:c":d"#).labels, label("a b:c", "d"));
    assert_eq!(
        parse("label.url:http://x/?a=b").labels,
        label("url", "http://x/?a=b")
    );
    assert_eq!(parse("Grüße").text, ["Grüße"]);
}

#[test]
fn times_are_dates_times_and_ages() {
    let at = |text: &str| Moment::At(text.parse().expect("a time"));
    let created = |text: &str| parse(text).created;
    let period = |after, before| Period { after, before };
    let new_year = Some(Moment::At(NEW_YEAR));
    assert_eq!(created("created:>2026-01-01"), period(new_year, None));
    assert_eq!(created("created:<2026-01-01"), period(None, new_year));
    let time = Some(at("2026-01-01T09:30:00Z"));
    for text in [
        "created:<2026-01-01T10:30:00+01:00",
        r#"created:<"2026-01-01T09:30:00Z""#,
    ] {
        assert_eq!(created(text), period(None, time));
    }
    let ago = |seconds| Some(Moment::Ago(Duration::from_secs(seconds)));
    assert_eq!(created("created:<90s"), period(ago(90), None));
    assert_eq!(created("created:>15m"), period(None, ago(900)));
    assert_eq!(
        created("created:<2w created:>7d"),
        period(ago(1_209_600), ago(604_800))
    );
    let now = Timestamp(1_000_000_000);
    assert_eq!(Moment::Ago(HOUR).resolve(now), Timestamp(996_400_000));
    assert_eq!(at("2026-01-01T00:00:00Z").resolve(now), NEW_YEAR);
}

#[test]
fn systems_name_labels() {
    assert_eq!(parse("characterId:7").labels, label("character", "7"));
    let none = FilterNames::default();
    let error = JobFilter::parse("characterId:7", &none).expect_err("nobody named it");
    assert!(error.to_string().contains("label.NAME"), "{error}");
    assert!(refused("charId:7").contains("characterId"));
}

#[test]
fn an_error_names_the_word_and_what_would_do() {
    for (text, parts) in [
        (
            "a stat:failed b",
            &["stat:failed", "'stat'", "state, status, kind"][..],
        ),
        ("https://x", &["'https'", "double quotes"]),
        ("state:done", &["state:done", "pending, running, completed"]),
        ("state:", &["''", "pending"]),
        ("state:failed,", &["'' is no state"]),
        ("status:running", &["processing"]),
        ("kind:", &["no name"]),
        ("kind:*.fetch", &["kind:*.fetch", "at the end"]),
        ("queue:a,,b", &["no name"]),
        ("label.:x", &["label.NAME:value"]),
        ("label.a:", &["label.a:", "\"\""]),
        ("label.a:1 label.a:2", &["label.a:2", "one value"]),
        ("created:2026-01-01", &["created:>2026-01-31"]),
        ("ended:>yesterday", &["'yesterday'", "15m"]),
        ("ended:<1y", &["'1y'", "2w"]),
        ("ended:<+1h", &["'+1h'"]),
        ("ended:<99999999999999999999w", &["is no date"]),
        ("created:>2026-02-30", &["'2026-02-30'"]),
        ("created:>2026-02-03T10:00", &["'2026-02-03T10:00'"]),
        ("created:>1h created:>2h", &["created:>2h", "twice"]),
        (r#"a "b c"#, &[r#""b c"#, "not closed"]),
        (r#""""#, &["leave it out"]),
        ("one\u{7}:two", &["one:two"]),
    ] {
        let error = refused(text);
        for part in parts {
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(error.chars().all(|c| !c.is_control()), "{error:?}");
    }
}

#[test]
fn filters_are_bounded() {
    let many = |count: usize| "a ".repeat(count);
    assert_eq!(parse(&many(MAX_TEXT)).text.len(), MAX_TEXT);
    assert_eq!(refused(&many(MAX_TEXT + 1)), Error::TooLong.to_string());
    assert_eq!(
        refused(&"q".repeat(MAX_FILTER + 1)),
        Error::TooLong.to_string()
    );
    let queues = |count: usize| format!("queue:a{}", ",a".repeat(count - 1));
    assert_eq!(parse(&queues(MAX_VALUES)).queues.len(), MAX_VALUES);
    assert_eq!(refused(&queues(MAX_VALUES + 1)), Error::TooLong.to_string());
}

#[test]
fn a_parameter_of_its_own_is_taken_as_it_is() {
    let mut filter = parse("state:failed");
    let mut add = |name, value| filter.add_value(name, value, &names());
    add("state", "cancelled").expect("a state");
    add("queue", "a,b \"c\"").expect("a queue");
    add("text", "two words: here").expect("text");
    add("label.a", "").expect("a label");
    add("characterId", "7").expect("a label by another name");
    add("ended", "<1h").expect("a period");
    for (name, value) in [("state", "failed,failed"), ("text", ""), ("stat", "failed")] {
        let error = add(name, value).expect_err(name).to_string();
        assert!(error.contains(&format!("{name}={value}")), "{error}");
    }
    assert_eq!(filter.states, [State::Failed, State::Cancelled]);
    assert_eq!(filter.queues, ["a,b \"c\""]);
    assert_eq!(filter.text, ["two words: here"]);
    assert_eq!(filter.labels.len(), 2);
}

/// Text that is likely to be near a filter.
fn near() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "state:",
        "failed",
        "label.",
        "a",
        ":",
        ",",
        "\"",
        "\\",
        " ",
        "created:",
        ">",
        "<",
        "1h",
        "2026-01-01",
        "é",
        "*",
        "kind:",
        "queue:",
        "ended:",
        "\u{0}",
        "status:",
        "characterId:",
        "\u{2003}",
        "999999999999w",
    ]);
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{1,12}",
        select(strings(&["\"", "\\", ":", ",", " ", "a:b", "\"\\"]))
    ]
}

fn moment() -> impl Strategy<Value = Option<Moment>> {
    let at =
        (-62_000_000_000_000_i64..250_000_000_000_000).prop_map(|ms| Moment::At(Timestamp(ms)));
    let ago = (0..OLDEST).prop_map(|seconds| Moment::Ago(Duration::from_secs(seconds)));
    proptest::option::of(prop_oneof![at, ago])
}

fn any_filter() -> impl Strategy<Value = JobFilter> {
    let period = || (moment(), moment()).prop_map(|(after, before)| Period { after, before });
    let kind = any_text().prop_map(|text| text.replace('*', "x") + "*");
    (
        vec(select(&State::ALL[..]), 0..3),
        vec(select(strings(&STATUSES)), 0..3),
        vec(kind, 0..3),
        (vec(any_text(), 0..3), vec(any_text(), 0..3)),
        proptest::collection::btree_map(any_text(), ".{0,9}", 0..3),
        vec(any_text(), 0..3),
        (period(), period()),
    )
        .prop_map(
            |(states, statuses, kinds, (queues, errors), labels, text, (created, ended))| {
                JobFilter {
                    states,
                    statuses,
                    kinds,
                    queues,
                    errors,
                    labels,
                    text,
                    created,
                    ended,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_comes_in_panics(text in prop_oneof![near(), any::<String>()]) {
        match JobFilter::parse(&text, &names()) {
            Ok(filter) => prop_assert_eq!(parse(&filter.to_string()), filter, "{}", text),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn a_filter_written_down_is_the_same_filter(filter in any_filter()) {
        let text = filter.to_string();
        prop_assert_eq!(JobFilter::parse(&text, &names()), Ok(filter), "{}", text);
    }
}
