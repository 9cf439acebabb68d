//! The stand-in of an aggregator, over real sockets: true to the real one, and failing as it is told to.

use std::time::Duration;

use longhaul_sandbox::aggregator::{Aggregator, Error, Fault, Options, Request, Rule};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;

const ID: &str = "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4";
const EMPTY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const MISSING: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
const SIZE: u64 = 1_000_000;

struct Setup {
    sandbox: Aggregator,
    client: Client,
    bytes: Vec<u8>,
    _folder: TempDir,
}

impl Setup {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sandbox = Aggregator::start(folder.path()).await.expect("started");
        let bytes: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
        sandbox.put(ID, &bytes).expect("stored");
        sandbox.put(EMPTY, b"").expect("stored");
        // Another test may have set it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self {
            sandbox,
            client,
            bytes,
            _folder: folder,
        }
    }

    async fn get(&self, id: &str, range: Option<&str>) -> Response {
        let mut request = self
            .client
            .get(format!("{}/v1/blobs/{id}", self.sandbox.url()));
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        request.send().await.expect("an answer")
    }

    fn fault(&self, fault: Fault) {
        self.sandbox.faults().set(vec![Rule::new(fault)]);
    }
}

fn text<'a>(response: &'a Response, name: &header::HeaderName) -> &'a str {
    let value = response.headers().get(name).expect("the header");
    value.to_str().expect("text")
}

async fn error(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.bytes().await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn whole_blobs_and_ranges() {
    let setup = Setup::new().await;
    let whole = setup.get(ID, None).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(text(&whole, &header::ETAG), ID);
    assert_eq!(whole.content_length(), Some(SIZE));
    assert!(whole.bytes().await.expect("a body") == setup.bytes);

    let part = setup.get(ID, Some("bytes=300000-899999")).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        text(&part, &header::CONTENT_RANGE),
        "bytes 300000-899999/1000000"
    );
    assert_eq!(text(&part, &header::ETAG), ID);
    assert!(part.bytes().await.expect("a body") == setup.bytes[300_000..900_000]);

    let empty = setup.get(EMPTY, None).await;
    assert_eq!(
        (empty.status(), empty.content_length()),
        (StatusCode::OK, Some(0))
    );
    let requests = setup.sandbox.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(
        requests[1],
        Request {
            method: "GET".to_owned(),
            blob: ID.to_owned(),
            range: Some("bytes=300000-899999".to_owned()),
            status: 206,
            sent: 600_000,
        }
    );
}

#[tokio::test]
async fn what_an_aggregator_refuses() {
    let setup = Setup::new().await;
    for range in [
        "bytes=5-",
        "bytes=-5",
        "bytes=0-1000000",
        "bytes=0-1,3-4",
        "lines=1-2",
    ] {
        let (status, body) = error(setup.get(ID, Some(range)).await).await;
        assert_eq!(status, 416, "{range}");
        assert_eq!(body["error"]["code"], 416);
        assert_eq!(body["error"]["details"][0]["reason"], "INVALID_BYTE_RANGE");
    }
    let (status, _) = error(setup.get(EMPTY, Some("bytes=0-0")).await).await;
    assert_eq!(status, 416);
    let (status, body) = error(setup.get(MISSING, None).await).await;
    assert_eq!(status, 404);
    assert_eq!(body["error"]["details"][0]["reason"], "BLOB_NOT_FOUND");

    let url = format!("{}/v1/blobs/{ID}", setup.sandbox.url());
    let head = setup.client.head(url).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn nothing_outside_the_folder_is_served() {
    let setup = Setup::new().await;
    for id in ["..%2Fsecret", "%2Fetc%2Fpasswd", "..", "%2e%2e", "QmXyz123"] {
        let answer = setup.get(id, None).await;
        assert!(answer.status().is_client_error(), "{id}");
    }
    std::fs::create_dir(setup.sandbox.folder().join(MISSING)).expect("a folder");
    let folder = setup.get(MISSING, None).await;
    assert_eq!(folder.status(), StatusCode::NOT_FOUND);
    assert!(matches!(
        setup.sandbox.put("../secret", b"x"),
        Err(Error::Name(_))
    ));
}

#[tokio::test]
async fn byte_range_route_and_status() {
    let setup = Setup::new().await;
    let get = async |query: &str| {
        let url = format!("{}/v1/blobs/{ID}/byte-range?{query}", setup.sandbox.url());
        setup.client.get(url).send().await.expect("an answer")
    };
    let part = get("start=10&length=5").await;
    assert_eq!(part.status(), StatusCode::OK);
    assert_eq!(text(&part, &header::ETAG), format!("{ID}-10-5"));
    assert!(part.bytes().await.expect("a body") == setup.bytes[10..15]);
    assert_eq!(
        setup.sandbox.requests()[0].range.as_deref(),
        Some("bytes=10-14")
    );
    for query in ["start=10&length=0", "start=999999&length=2", "start=10"] {
        assert_eq!(
            get(query).await.status(),
            StatusCode::BAD_REQUEST,
            "{query}"
        );
    }
    let url = format!("{}/status", setup.sandbox.url());
    let status = setup.client.get(url).send().await.expect("an answer");
    assert_eq!(status.status(), StatusCode::OK);
}

#[tokio::test]
async fn refusals_end_after_their_times() {
    let setup = Setup::new().await;
    setup.sandbox.faults().set(vec![
        Rule::new(Fault::Unavailable { retry_after: None }).times(2),
        Rule::new(Fault::TooManyRequests {
            retry_after: Some(7),
        })
        .times(1),
        Rule::new(Fault::Redirect {
            location: "http://elsewhere.invalid/".to_owned(),
        })
        .times(1),
        Rule::new(Fault::Status { code: 451 }).times(1),
    ]);
    for _ in 0..2 {
        let (status, body) = error(setup.get(ID, None).await).await;
        assert_eq!(status, 503);
        assert_eq!(body["error"]["details"][0]["reason"], "BLOB_UNAVAILABLE");
    }
    let limited = setup.get(ID, None).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(&limited, &header::RETRY_AFTER), "7");
    assert!(text(&limited, &header::CONTENT_TYPE).starts_with("text/plain"));
    let redirect = setup.get(ID, None).await;
    assert_eq!(
        text(&redirect, &header::LOCATION),
        "http://elsewhere.invalid/"
    );
    assert_eq!(setup.get(ID, None).await.status().as_u16(), 451);
    assert_eq!(setup.get(ID, None).await.status(), StatusCode::OK);
    assert!(setup.sandbox.faults().list().is_empty());
}

#[tokio::test]
async fn ranges_answered_wrongly() {
    let setup = Setup::new().await;
    let range = Some("bytes=100-199");
    let content_range = async || {
        let answer = setup.get(ID, range).await;
        let claim = text(&answer, &header::CONTENT_RANGE).to_owned();
        (claim, answer.bytes().await.expect("a body"))
    };

    setup.fault(Fault::IgnoreRange);
    let whole = setup.get(ID, range).await;
    assert_eq!(
        (whole.status(), whole.content_length()),
        (StatusCode::OK, Some(SIZE))
    );

    setup.fault(Fault::ShortRange { missing: 30 });
    let (claim, body) = content_range().await;
    assert_eq!(claim, "bytes 100-169/1000000");
    assert!(body == setup.bytes[100..170]);

    setup.fault(Fault::ShortBody { missing: 30 });
    let (claim, body) = content_range().await;
    assert_eq!(claim, "bytes 100-199/1000000");
    assert_eq!(body.len(), 70);

    setup.fault(Fault::LongBody { extra: 30 });
    assert_eq!(content_range().await.1.len(), 130);

    setup.fault(Fault::NoLength);
    let untold = setup.get(ID, range).await;
    assert_eq!(untold.content_length(), None);
    assert!(untold.bytes().await.expect("a body") == setup.bytes[100..200]);

    setup.fault(Fault::OtherStart { shift: 10 });
    let (claim, body) = content_range().await;
    assert_eq!(claim, "bytes 110-199/1000000");
    assert!(body == setup.bytes[110..200]);

    setup.fault(Fault::OtherTotal { total: 5 });
    assert_eq!(content_range().await.0, "bytes 100-199/5");

    setup.fault(Fault::WrongBytes { at: 150 });
    let (_, body) = content_range().await;
    let different: Vec<usize> = (0..100)
        .filter(|&n| body[n] != setup.bytes[100 + n])
        .collect();
    assert_eq!(different, [50]);
}

#[tokio::test]
async fn bodies_that_break_off_or_stall() {
    let setup = Setup::new().await;
    setup.fault(Fault::Disconnect { after: 400_000 });
    let cut = setup.get(ID, None).await;
    assert_eq!(cut.content_length(), Some(SIZE));
    assert!(cut.bytes().await.is_err());
    assert_eq!(setup.sandbox.requests()[0].sent, 400_000);

    setup.fault(Fault::Stall { after: 1000 });
    let mut stalled = setup.get(ID, None).await;
    let mut received = 0;
    while received < 1000 {
        let chunk = stalled.chunk().await.expect("a chunk");
        received += chunk.expect("more").len();
    }
    assert_eq!(received, 1000);
    // A stalled transfer must not hold up a stop, and ends as an error.
    setup.sandbox.stop().await;
    assert!(stalled.chunk().await.is_err());
}

#[tokio::test]
async fn a_slow_body_takes_its_time() {
    let setup = Setup::new().await;
    setup.fault(Fault::Slow {
        bytes_per_second: 500_000,
    });
    let began = std::time::Instant::now();
    let body = setup.get(ID, Some("bytes=0-99999")).await.bytes().await;
    assert_eq!(body.expect("a body").len(), 100_000);
    // Three of the four chunks wait for their turn: 150 ms of the 200.
    assert!(began.elapsed() >= Duration::from_millis(140));
}

#[tokio::test]
async fn faults_and_journal_over_http() {
    let setup = Setup::new().await;
    let faults = format!("{}/sandbox/faults", setup.sandbox.url());
    let put = async |body: Value| {
        let request = setup.client.put(&faults).json(&body);
        request.send().await.expect("an answer").status()
    };
    let rules = json!([{ "on": ID, "times": 1, "fault": { "kind": "unavailable" } }]);
    assert_eq!(put(rules.clone()).await, StatusCode::OK);
    let listed = setup.client.get(&faults).send().await.expect("an answer");
    assert_eq!(listed.json::<Value>().await.expect("JSON"), rules);
    for bad in [
        json!([{ "fault": { "kind": "unheard" } }]),
        json!([{ "fault": { "kind": "status", "code": 200 } }]),
        json!(vec![json!({ "fault": { "kind": "ignoreRange" } }); 1001]),
    ] {
        assert!(put(bad).await.is_client_error());
        assert_eq!(setup.sandbox.faults().list().len(), 1);
    }
    assert_eq!(setup.get(ID, None).await.status().as_u16(), 503);

    let requests = format!("{}/sandbox/requests", setup.sandbox.url());
    let listed = setup.client.get(&requests).send().await.expect("an answer");
    assert_eq!(
        listed.json::<Value>().await.expect("JSON"),
        json!([{ "method": "GET", "blob": ID, "status": 503, "sent": 0 }])
    );
    let request = setup.client.delete(&requests).send();
    let cleared = request.await.expect("an answer");
    assert_eq!(cleared.status(), StatusCode::NO_CONTENT);
    assert!(setup.sandbox.requests().is_empty());
}

#[tokio::test]
async fn starting_and_stopping() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = Aggregator::start(folder.path().join("missing")).await;
    assert!(matches!(missing, Err(Error::Folder { .. })));
    let first = Aggregator::start(folder.path()).await.expect("started");
    let port = first.address().port();
    let second = Options::new(folder.path()).port(port).start().await;
    assert!(matches!(second, Err(Error::Listen { .. })));
    first.stop().await;
    let second = Options::new(folder.path()).port(port).start().await;
    assert_eq!(second.expect("started").address().port(), port);
}
