//! Webhooks against real receivers on loopback, which check the signature by themselves, refuse, hang, redirect, and
//! answer without end.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use longhaul::{
    Context, Engine, Failure, NewJob, Outcome,
    artifacts::Artifacts,
    model::{AFTER, Backoff},
    secrets::Secrets,
    testing::MemoryStore,
    types::{
        ErrorCode, JobId, Labels, State,
        body::{FollowUpRequest, JobView, SecretName, SubmitRequest, WebhookRequest},
    },
};
use longhaul_client::{Client, JobsQuery};
use longhaul_server::{
    AdminToken, Handle, LocalOnly, Options, Server,
    outgoing::{Outgoing, Reach},
    webhook::{self, KIND, Rule, Webhook},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::support::{TOKEN, request, within};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver does with the requests it gets, one after the other; the last of them again and again.
#[derive(Clone)]
enum Act {
    Say(&'static str),
    Hang,
    Flood,
}

/// A request as a receiver saw it.
#[derive(Clone, Debug)]
struct Got {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

struct Receiver {
    port: u16,
    got: mpsc::UnboundedReceiver<Got>,
    /// Bytes that were taken of an answer without end.
    taken: Arc<AtomicU64>,
}

impl Receiver {
    async fn new(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, got) = mpsc::unbounded_channel();
        let taken = Arc::new(AtomicU64::new(0));
        let (acts, count) = (acts.to_vec(), Arc::clone(&taken));
        tokio::spawn(async move {
            let mut acts = acts.into_iter();
            let mut act = Act::Hang;
            while let Ok((mut stream, _)) = listener.accept().await {
                act = acts.next().unwrap_or(act);
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                let _ = tell.send(request);
                tokio::spawn(answer(stream, act.clone(), Arc::clone(&count)));
            }
        });
        Self { port, got, taken }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?a=b", self.port)
    }

    async fn next(&mut self) -> Got {
        within(self.got.recv()).await.unwrap()
    }

    fn is_quiet(&mut self) -> bool {
        self.got.try_recv().is_err()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let lines = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<String, String> = lines
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        if body.len() >= headers["content-length"].parse().unwrap() {
            return Some(Got {
                headers,
                body: body.to_owned(),
            });
        }
    }
}

async fn answer(mut stream: TcpStream, act: Act, taken: Arc<AtomicU64>) {
    match act {
        Act::Say(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Act::Hang => {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0; 1]).await;
        }
        Act::Flood => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1 << 30);
            let mut going = stream.write_all(head.as_bytes()).await.is_ok();
            while going {
                going = stream.write_all(&[b'x'; 1 << 14]).await.is_ok();
                taken.fetch_add(1 << 16, Ordering::SeqCst);
            }
        }
    }
}

const OK: Act = Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nthanks");

struct Known;

impl Secrets for Known {
    fn reveal(&self, name: &str, kind: &str) -> io::Result<Option<String>> {
        let known = name == "signs" && kind == KIND;
        Ok(known.then(|| SECRET.to_owned()))
    }
}

/// A server whose deliveries are tried three times without much waiting.
struct Rig {
    folder: TempDir,
    engine: Engine,
    handle: Handle,
    client: Client,
    works: Arc<Mutex<bool>>,
}

impl Rig {
    async fn new(allowed: &[String], rules: &[Rule]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let works = Arc::new(Mutex::new(true));
        let works_now = Arc::clone(&works);
        let backoff = Backoff {
            first: Duration::from_millis(1),
            cap: Duration::from_millis(1),
        };
        let webhook = Webhook::new(Outgoing::new(allowed).unwrap())
            .attempts(3, backoff)
            .time(Duration::from_millis(700));
        let engine = Engine::on(Arc::new(MemoryStore::default()))
            .artifacts(Artifacts::folder(&folder.path().join("artifacts")).unwrap())
            .scratch(folder.path().join("scratch"))
            .register(webhook)
            .secrets(Known)
            .follow_ups(webhook::rules(rules).unwrap())
            .register_fn("test.works", move |args: Value, _: Context| {
                let works = *works_now.lock().unwrap();
                async move {
                    if works {
                        return Ok(Outcome::Done(args));
                    }
                    Err(Failure::fatal("told_to", "told to"))
                }
            })
            .register_fn("test.local", |_: Value, _| async { Ok(Outcome::Done(())) })
            .start()
            .await
            .unwrap();
        let socket = folder.path().join("data/socket");
        let options = Options::new("1", "1")
            .socket(&socket)
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
            .admission(LocalOnly::kinds(["test.local"]));
        let server = Server::bind(engine.clone(), options).await.unwrap();
        Self {
            folder,
            engine,
            handle: server.start(),
            client: Client::unix(&socket).unwrap(),
            works,
        }
    }

    async fn submit(&self, id: &str, webhook: WebhookRequest) -> JobId {
        let request = SubmitRequest {
            id: Some(id.parse().unwrap()),
            webhook: Some(webhook),
            ..request("test.works", json!({"a": 1}))
        };
        self.client.submit(&request).await.unwrap().job_id
    }

    /// The deliveries of a job, once there are as many and all have ended; the newest first.
    async fn deliveries(&self, of: &str, count: usize) -> Vec<JobView> {
        within(async {
            loop {
                let query = JobsQuery {
                    labels: Labels::from([(AFTER.to_owned(), of.to_owned())]),
                    ..JobsQuery::default()
                };
                let jobs = self.client.jobs(&query).await.unwrap().jobs;
                if jobs.len() == count && jobs.iter().all(|job| job.state.is_ended()) {
                    return jobs;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    async fn delivery(&self, of: &str) -> JobView {
        self.deliveries(of, 1).await.remove(0)
    }

    async fn log(&self, job: &JobView) -> String {
        let page = self.client.log(&job.job_id, 0, 100).await.unwrap();
        let lines = page.lines.into_iter().map(|line| line.text);
        lines.collect::<Vec<_>>().join("\n")
    }

    async fn stop(self) {
        self.handle.stop();
        within(self.handle.wait()).await;
        within(self.engine.shutdown()).await;
        drop(self.folder);
    }
}

fn hook(receiver: &Receiver) -> WebhookRequest {
    WebhookRequest {
        url: receiver.url(),
        ..WebhookRequest::default()
    }
}

/// HMAC-SHA256 as RFC 2104 says, from nothing but the hash.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::digest([&pad(0x36)[..], text].concat());
    Sha256::digest([&pad(0x5c)[..], &inner[..]].concat()).to_vec()
}

fn signature(got: &Got) -> String {
    let key = STANDARD
        .decode(SECRET.trim_start_matches("whsec_"))
        .unwrap();
    let (id, time) = (
        &got.headers["webhook-id"],
        &got.headers["webhook-timestamp"],
    );
    let text = format!("{id}.{time}.{}", got.body);
    format!("v1,{}", STANDARD.encode(hmac(&key, text.as_bytes())))
}

#[tokio::test]
async fn an_end_is_told_signed_until_the_receiver_takes_it() {
    let refuses = Act::Say("HTTP/1.1 503 No\r\nretry-after: 0\r\ncontent-length: 5\r\n\r\nlater");
    let echoes = Act::Say(
        "HTTP/1.1 404 No\r\ncontent-length: 46\r\n\r\nwhat is whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    );
    let mut receiver = Receiver::new(&[refuses, echoes, OK]).await;
    let rig = Rig::new(&[], &[]).await;
    let secret = Some(SecretName {
        name: "signs".to_owned(),
    });
    rig.submit(
        "one",
        WebhookRequest {
            secret,
            ..hook(&receiver)
        },
    )
    .await;
    let all = [
        receiver.next().await,
        receiver.next().await,
        receiver.next().await,
    ];
    let delivery = rig.delivery("one").await;
    assert_eq!(delivery.state, State::Completed);
    assert_eq!(
        (delivery.kind.as_str(), delivery.queue.as_str()),
        (KIND, "webhooks")
    );
    for got in &all {
        assert_eq!(got.headers["content-type"], "application/json");
        assert_eq!(got.headers["webhook-id"], delivery.job_id.as_str());
        assert_eq!(got.headers["webhook-signature"], signature(got));
        assert_eq!(got.body, all[0].body, "each attempt says the same");
    }
    let event = all[0].json();
    assert_eq!(event["type"], "job.completed");
    assert_eq!(event["data"]["jobId"], "one");
    assert_eq!(event["data"]["state"], "completed");
    assert_eq!(event["data"]["results"], json!({"a": 1}));
    assert_eq!(event["timestamp"], event["data"]["completedAt"]);
    let log = rig.log(&delivery).await;
    assert!(
        log.contains("answered 503 Service Unavailable") && log.contains("later"),
        "{log}"
    );
    assert!(
        log.contains("answered 200 OK") && log.contains("thanks"),
        "{log}"
    );
    assert!(
        !log.contains("MfKQ9r8GKYqr") && log.contains("what is [redacted]"),
        "{log}"
    );
    let shown = rig.client.job(&delivery.job_id).await.unwrap();
    assert_eq!(shown.args.unwrap()["secret"], json!({"$secret": "signs"}));
    rig.stop().await;
}

#[tokio::test]
async fn the_ends_that_were_named_are_told_and_a_retry_by_hand_is_told_anew() {
    let mut receiver = Receiver::new(&[OK]).await;
    let rig = Rig::new(&[], &[]).await;
    let events = vec![State::Failed, State::Cancelled];
    let failed_only = WebhookRequest {
        events,
        ..hook(&receiver)
    };
    let id = rig.submit("well", failed_only.clone()).await;
    within(rig.client.wait(&id)).await.unwrap();
    *rig.works.lock().unwrap() = false;
    let id = rig.submit("badly", failed_only).await;
    let first = receiver.next().await;
    assert_eq!(first.json()["type"], "job.failed");
    assert_eq!(first.json()["data"]["errorCode"], "told_to");
    assert!(
        !first.headers.contains_key("webhook-signature"),
        "no secret, no signature"
    );
    rig.deliveries("badly", 1).await;
    rig.client.retry(&id).await.unwrap();
    let second = receiver.next().await;
    assert_ne!(first.headers["webhook-id"], second.headers["webhook-id"]);
    assert_eq!(second.json()["data"]["jobId"], "badly");
    rig.deliveries("badly", 2).await;
    rig.deliveries("well", 0).await;
    assert!(receiver.is_quiet());
    rig.stop().await;
}

#[tokio::test]
async fn answers_that_would_come_again_are_final_and_no_redirect_is_followed() {
    let rig = Rig::new(&["169.254.169.254:80".to_owned()], &[]).await;
    let redirect = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/\r\ncontent-length: 0\r\n\r\n";
    let mut elsewhere = Receiver::new(&[OK]).await;
    let there = format!(
        "HTTP/1.1 307 There\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    for (id, answer, code) in [
        (
            "gone",
            "HTTP/1.1 410 Gone\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
            "webhook_gone",
        ),
        ("away", redirect, "webhook_redirected"),
        ("there", &*there.leak(), "webhook_redirected"),
    ] {
        let mut receiver = Receiver::new(&[Act::Say(answer)]).await;
        rig.submit(id, hook(&receiver)).await;
        receiver.next().await;
        let delivery = rig.delivery(id).await;
        assert_eq!(delivery.state, State::Failed);
        assert_eq!(delivery.error_code.as_deref(), Some(code));
        assert_eq!(delivery.attempts, 1, "not tried again");
        assert!(receiver.is_quiet() && elsewhere.is_quiet());
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_or_never_ends_costs_little() {
    let rig = Rig::new(&[], &[]).await;
    let mut hangs = Receiver::new(&[Act::Hang]).await;
    rig.submit("hangs", hook(&hangs)).await;
    for _ in 0..3 {
        hangs.next().await;
    }
    let delivery = rig.delivery("hangs").await;
    assert_eq!(delivery.error_code.as_deref(), Some("webhook_unreachable"));
    assert_eq!(delivery.attempts, 3);

    let floods = Receiver::new(&[Act::Flood]).await;
    rig.submit("floods", hook(&floods)).await;
    let delivery = rig.delivery("floods").await;
    assert_eq!(delivery.state, State::Completed);
    let log = rig.log(&delivery).await;
    let kept = log.matches('x').count();
    assert_eq!(kept, 1024, "the first KiB");
    let taken = floods.taken.load(Ordering::SeqCst);
    assert!(taken < 64 << 20, "{taken} bytes were taken");
    rig.stop().await;
}

#[tokio::test]
async fn private_targets_are_for_those_who_may_reach_them() {
    let mut receiver = Receiver::new(&[OK]).await;
    let port = receiver.port;
    let listed = format!("localhost:{port}");
    let rig = Rig::new(std::slice::from_ref(&listed), &[]).await;
    let public = async |id: &str, url: &str| {
        let request = WebhookRequest {
            url: url.to_owned(),
            ..WebhookRequest::default()
        };
        let follow_up = webhook::follow_up(&request, Reach::Public).unwrap();
        let job = NewJob::raw("test.works", "{}").id(id.parse().unwrap());
        rig.engine
            .submit_job(job.follow_up(follow_up))
            .await
            .unwrap();
        rig.delivery(id).await
    };
    let others = [
        receiver.url(),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::1]:{port}/"),
        "http://10.0.0.1/".to_owned(),
    ];
    for (number, url) in others.iter().enumerate() {
        let delivery = public(&format!("public-{number}"), url).await;
        assert_eq!(
            delivery.error_code.as_deref(),
            Some("target_refused"),
            "{url}"
        );
        assert_eq!(delivery.attempts, 1, "{url}");
        assert!(delivery.error.unwrap().contains("--allow-target"), "{url}");
    }
    assert!(receiver.is_quiet());
    let delivery = public("listed", &format!("http://{listed}/")).await;
    assert_eq!(delivery.state, State::Completed);
    receiver.next().await;

    // The socket reaches private addresses, and not those of the link.
    rig.submit("socket", hook(&receiver)).await;
    receiver.next().await;
    let link = WebhookRequest {
        url: "http://169.254.169.254/latest/meta-data".to_owned(),
        ..WebhookRequest::default()
    };
    rig.submit("link", link).await;
    let delivery = rig.delivery("link").await;
    assert_eq!(delivery.error_code.as_deref(), Some("target_refused"));
    rig.stop().await;
}

#[tokio::test]
async fn what_could_not_be_delivered_is_refused_at_once() {
    let receiver = Receiver::new(&[OK]).await;
    let rig = Rig::new(&[], &[]).await;
    let refused = async |request: SubmitRequest| {
        let refused = rig.client.submit(&request).await.unwrap_err();
        refused.code().unwrap()
    };
    let works = || request("test.works", json!({}));
    for url in [
        "",
        "nowhere",
        "ftp://host/",
        "http://me:secret@host/",
        "file:///etc/passwd",
    ] {
        let url = url.to_owned();
        let webhook = Some(WebhookRequest {
            url,
            ..WebhookRequest::default()
        });
        assert_eq!(
            refused(SubmitRequest { webhook, ..works() }).await,
            ErrorCode::BadRequest
        );
    }
    let events = vec![State::Running];
    let webhook = Some(WebhookRequest {
        events,
        ..hook(&receiver)
    });
    assert_eq!(
        refused(SubmitRequest { webhook, ..works() }).await,
        ErrorCode::BadRequest
    );
    // Whoever could write these args could reach what they may not.
    let forged = request(KIND, json!({"url": receiver.url(), "reach": "private"}));
    assert_eq!(refused(forged.clone()).await, ErrorCode::Forbidden);
    let follow_ups = vec![FollowUpRequest {
        job: forged,
        ..FollowUpRequest::default()
    }];
    assert_eq!(
        refused(SubmitRequest {
            follow_ups,
            ..works()
        })
        .await,
        ErrorCode::Forbidden
    );

    let url = format!("http://{}", rig.handle.tcp().unwrap());
    let token = longhaul_client::Token::new(TOKEN).unwrap();
    let far = Client::tcp(&url, Some(token)).unwrap();
    let follow_ups = vec![FollowUpRequest {
        job: request("test.local", json!({})),
        ..FollowUpRequest::default()
    }];
    let local = SubmitRequest {
        follow_ups,
        ..works()
    };
    let refused = far.submit(&local).await.unwrap_err();
    assert_eq!(
        refused.code(),
        Some(ErrorCode::Forbidden),
        "local, also as a follow-up"
    );
    rig.client.submit(&local).await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn an_unknown_secret_ends_the_delivery() {
    let mut receiver = Receiver::new(&[OK]).await;
    let rig = Rig::new(&[], &[]).await;
    let secret = Some(SecretName {
        name: "nobody's".to_owned(),
    });
    rig.submit(
        "one",
        WebhookRequest {
            secret,
            ..hook(&receiver)
        },
    )
    .await;
    let delivery = rig.delivery("one").await;
    assert_eq!(delivery.error_code.as_deref(), Some("unknown_secret"));
    assert!(receiver.is_quiet(), "nothing is sent without its signature");
    rig.stop().await;
}

#[tokio::test]
async fn the_servers_own_webhooks_tell_of_all_jobs_but_of_no_delivery() {
    let mut all = Receiver::new(&[OK]).await;
    let mut some = Receiver::new(&[OK]).await;
    let rule = |receiver: &Receiver, kinds: &[&str]| Rule {
        url: receiver.url(),
        events: Vec::new(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        secret: None,
    };
    let rig = Rig::new(&[], &[rule(&all, &[]), rule(&some, &["test.w*"])]).await;
    let own = FollowUpRequest {
        job: request("test.local", json!({})),
        ..FollowUpRequest::default()
    };
    let with = SubmitRequest {
        follow_ups: vec![own],
        ..request("test.works", json!({}))
    };
    let id = rig.client.submit(&with).await.unwrap().job_id;
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let told = all.next().await.json();
        kinds.push(told["data"]["kind"].as_str().unwrap().to_owned());
    }
    kinds.sort();
    assert_eq!(kinds, ["test.local", "test.works"]);
    assert_eq!(some.next().await.json()["data"]["jobId"], id.as_str());
    // The job's own follow-up and two deliveries; then one of the follow-up's, and none of a delivery's.
    let after = rig.deliveries(id.as_str(), 3).await;
    let follow_up = after.iter().find(|job| job.kind == "test.local").unwrap();
    for delivery in rig.deliveries(follow_up.job_id.as_str(), 1).await {
        rig.deliveries(delivery.job_id.as_str(), 0).await;
    }
    assert!(all.is_quiet() && some.is_quiet());
    rig.stop().await;
}
