//! The pages of docs/errors, served where the `type` of a problem document points.
//!
//! Invariant: a page is text of ours and never of a request; it is shown under the policy of the page of the API.

use maud::{Markup, html};

use super::page::{Page, whole};

/// Name and text of each page, in Markdown.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

/// The page of a code, if there is such a code.
pub(super) fn render(code: &str) -> Option<Page> {
    let (_, text) = PAGES.iter().find(|(name, _)| *name == code)?;
    Some(whole(code, false, &body(text)))
}

/// Headings, paragraphs, lists, code and words in bold: what the pages are written with.
fn body(text: &str) -> Markup {
    html! {
        main {
            @for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
                @if let Some(title) = block.strip_prefix("# ") {
                    h1 { (title) }
                } @else if block.starts_with("- ") {
                    ul { @for item in block.split("\n- ") { li { (inline(item.trim_start_matches("- "))) } } }
                } @else {
                    p { (inline(block)) }
                }
            }
            p { a href="/docs" { "The API" } " · every error has a page like this" }
        }
    }
}

fn inline(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (bold(part)) }
        }
    }
}

fn bold(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split("**").enumerate() {
            @if index % 2 == 1 { strong { (part) } } @else { (unlinked(part)) }
        }
    }
}

/// Text without its links: they lead to files of the repository, which this server does not have.
fn unlinked(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[')
        && let Some((name, place)) = link.split_once("](")
        && let Some((_, after)) = place.split_once(')')
    {
        plain.push_str(before);
        plain.push_str(name);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use longhaul_types::ErrorCode;

    use super::*;

    #[test]
    fn every_code_has_a_page_that_leaves_no_mark_of_its_writing() {
        for code in ErrorCode::ALL {
            let page = render(code.as_str()).unwrap_or_else(|| panic!("no page of {code}"));
            assert!(page.html.contains(&format!("<h1>{code}</h1>")), "{code}");
            assert!(page.html.contains("<strong>What to do.</strong>"), "{code}");
            let (_, shown) = page.html.split_once("<main>").expect("a text");
            for mark in ["**", "`", "](", "# "] {
                assert!(!shown.contains(mark), "{mark} in the page of {code}");
            }
        }
        assert!(render("README").is_none());
        assert!(render("../openapi").is_none());
    }

    #[test]
    fn text_is_no_markup() {
        let html =
            body("# A <b>\n\n`<i>` and **<u>**\n\n- [one](../one.md)\n- `two`").into_string();
        for tag in ["<b>", "<i>", "<u>"] {
            assert!(!html.contains(tag), "{html}");
        }
        assert!(
            html.contains("<li>one</li><li><code>two</code></li>"),
            "{html}"
        );
    }
}
