//! Artifacts: listed, streamed, in part, and never as a page of this site.

use longhaul::types::{ErrorCode, JobId};
use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{Rig, within};

async fn made(rig: &Rig) -> JobId {
    let id = rig.submit("test.parts", json!({})).await;
    within(rig.client.wait(&id)).await.unwrap();
    id
}

async fn get(rig: &Rig, id: &JobId, name: &str, headers: &[(&str, &str)]) -> Response {
    let url = format!("http://localhost/api/v1/jobs/{id}/artifacts/{name}");
    let mut get = rig.bare().get(url);
    for (name, value) in headers {
        get = get.header(*name, *value);
    }
    get.send().await.unwrap()
}

#[tokio::test]
async fn files_are_listed_and_downloaded() {
    let rig = Rig::new().await;
    let id = made(&rig).await;
    let files = rig.client.artifacts(&id).await.unwrap();
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["dir/letters.txt", "empty", "page.html"]);
    assert_eq!(files[0].size, 26);
    for file in &files {
        let mut download = rig.client.artifact(&id, &file.name, None).await.unwrap();
        assert_eq!(download.size(), Some(file.size));
        assert_eq!(download.sha256(), Some(file.sha256.as_str()));
        assert_eq!(download.content_type(), Some(file.content_type.as_str()));
        let mut size = 0;
        while let Some(bytes) = download.chunk().await.unwrap() {
            size += bytes.len() as u64;
        }
        assert_eq!(size, file.size);
    }
    let mut part = rig
        .client
        .artifact(&id, "dir/letters.txt", Some(2..5))
        .await
        .unwrap();
    assert_eq!(part.chunk().await.unwrap().unwrap(), "cde");
    let missing = rig
        .client
        .artifact(&id, "../letters.txt", None)
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Some(ErrorCode::NotFound));
    rig.stop().await;
}

#[tokio::test]
async fn ranges_and_tags() {
    let rig = Rig::new().await;
    let id = made(&rig).await;
    let letters = async |headers: &[(&str, &str)]| get(&rig, &id, "dir/letters.txt", headers).await;

    let whole = letters(&[]).await;
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(tag.len(), 66);
    assert_eq!(whole.text().await.unwrap(), "abcdefghijklmnopqrstuvwxyz");

    for (range, content, text) in [
        ("bytes=0-2", "bytes 0-2/26", "abc"),
        ("bytes=24-", "bytes 24-25/26", "yz"),
        ("bytes=-1", "bytes 25-25/26", "z"),
        ("bytes=25-100", "bytes 25-25/26", "z"),
    ] {
        let part = letters(&[("range", range)]).await;
        assert_eq!(part.status(), 206, "{range}");
        assert_eq!(part.headers()["content-range"], content);
        assert_eq!(part.headers()["content-length"], text.len().to_string());
        assert_eq!(part.text().await.unwrap(), text);
    }
    for range in ["bytes=0-1,3-4", "lines=1-2", "bytes=x"] {
        assert_eq!(letters(&[("range", range)]).await.status(), 200, "{range}");
    }
    let outside = letters(&[("range", "bytes=26-")]).await;
    assert_eq!(outside.status(), 416);
    assert_eq!(outside.headers()["content-range"], "bytes */26");
    let problem: Value = outside.json().await.unwrap();
    assert_eq!(problem["code"], "range_not_satisfiable");

    assert_eq!(letters(&[("if-none-match", &tag)]).await.status(), 304);
    assert_eq!(
        letters(&[("if-none-match", "\"other\"")]).await.status(),
        200
    );
    let range = ("range", "bytes=0-0");
    assert_eq!(letters(&[range, ("if-range", &tag)]).await.status(), 206);
    assert_eq!(
        letters(&[range, ("if-range", "\"old\"")]).await.status(),
        200
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_page_that_a_job_made_is_not_shown_as_ours() {
    let rig = Rig::new().await;
    let id = made(&rig).await;
    let page = get(&rig, &id, "page.html", &[]).await;
    assert_eq!(page.headers()["content-type"], "text/html");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox"), "{policy}");
    let disposition = page.headers()["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\"page.html\""));
    rig.stop().await;
}
