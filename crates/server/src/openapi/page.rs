//! The document as a page to read: one file without scripts and without anything from elsewhere, so that its policy can
//! forbid both, and so that it can be saved and read anywhere.
//!
//! Invariant: the page is made from the document alone; what is not in the document is not on the page.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::TAGS;

/// Methods in the order in which a path's operations are shown.
const METHODS: [&str; 4] = ["get", "put", "post", "delete"];
const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 54rem; margin: 0 auto; box-sizing: border-box; }
.contents { display: grid; grid-template-columns: 19rem minmax(0, 1fr); gap: 0 2rem; }
.contents main { margin: 0; }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem; box-sizing: border-box;
  border-right: 1px solid #8885; font-size: .875rem; }
nav ul { list-style: none; margin: 0 0 1rem; padding: 0; }
nav a { display: block; text-decoration: none; padding: .1rem 0; overflow-wrap: anywhere; }
main { padding: 1rem 1rem 6rem; }
code, pre { font: .875em/1.5 ui-monospace, monospace; }
pre { background: #8881; padding: .75rem; overflow: auto; border-radius: .25rem; }
section { border-top: 1px solid #8885; padding: .5rem 0 1rem; scroll-margin-top: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid #8883; }
td:first-child { white-space: nowrap; }
td p { margin: 0; }
h1, h2, h3, p { overflow-wrap: anywhere; }
.jump { display: none; }
b.method { text-transform: uppercase; font-size: .8rem; letter-spacing: .03em; }
.note { opacity: .75; font-size: .875rem; }
@media (max-width: 56rem) {
  .contents { display: flex; flex-direction: column; }
  .contents nav { order: 1; position: static; height: auto; border: 0; border-top: 1px solid #8885; }
  .jump { display: block; }
  table { display: block; overflow-x: auto; }
}
";

/// The page, and the policy that lets its style in and nothing else.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) policy: String,
}

/// The page of this document.
pub(super) fn render(document: &Value) -> Page {
    let title = text(&document["info"]["title"]);
    let parts = html! {
        (contents(document))
        main {
            a.jump href="#contents" { "Contents" }
            h1 { (title) " API" }
            (prose(&document["info"]["description"]))
            p { a href="/openapi.json" { "openapi.json" } " is the same for programs." }
            @for (tag, about) in TAGS {
                h2 { (about) }
                @for operation in operations(document, tag) { (section(document, &operation)) }
            }
            h2 { "Schemas" }
            @for (name, schema) in members(&document["components"]["schemas"]) {
                section id={ "schema-" (name) } { h3 { (name) } (body(schema)) }
            }
        }
    };
    whole(&format!("{title} API"), true, &parts)
}

/// A whole page of these parts, with contents beside the text or without.
pub(super) fn whole(title: &str, contents: bool, parts: &Markup) -> Page {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body.contents[contents] { (parts) }
        }
    };
    Page {
        html: page.into_string(),
        policy: format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    }
}

/// An operation with what stands beside it in the document.
struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    about: &'a Value,
}

impl Operation<'_> {
    fn id(&self) -> &str {
        text(&self.about["operationId"])
    }
}

fn operations<'a>(document: &'a Value, tag: &str) -> Vec<Operation<'a>> {
    let paths = members(&document["paths"]);
    let all = paths.flat_map(|(path, item)| {
        METHODS.into_iter().map(move |method| Operation {
            method,
            path,
            about: &item[method],
        })
    });
    all.filter(|operation| operation.about["tags"][0] == tag)
        .collect()
}

fn contents(document: &Value) -> Markup {
    html! {
        nav id="contents" {
            @for (tag, _) in TAGS {
                strong { (tag) }
                ul {
                    @for operation in operations(document, tag) {
                        li { a href={ "#" (operation.id()) } { (inline(text(&operation.about["summary"]))) } }
                    }
                }
            }
            strong { "schemas" }
            ul {
                @for (name, _) in members(&document["components"]["schemas"]) {
                    li { a href={ "#schema-" (name) } { (name) } }
                }
            }
        }
    }
}

fn section(document: &Value, operation: &Operation) -> Markup {
    let about = operation.about;
    let parameters = list(&about["parameters"]);
    let request = &about["requestBody"]["content"]["application/json"]["schema"];
    html! {
        section id=(operation.id()) {
            h3 { (inline(text(&about["summary"]))) }
            p { b.method { (operation.method) } " " code { (operation.path) } }
            (prose(&about["description"]))
            pre { (curl(operation)) }
            @if !parameters.is_empty() {
                table {
                    tr { th { "Parameter" } th { "In" } th { "What" } }
                    @for one in parameters {
                        tr {
                            td { code { (text(&one["name"])) } }
                            td { (text(&one["in"])) }
                            td { (prose(&one["description"])) span.note { (kind(&one["schema"])) } }
                        }
                    }
                }
            }
            @if !request.is_null() { p { "Body: " (kind(request)) } }
            table {
                tr { th { "Status" } th { "Answer" } }
                @for (status, response) in members(&about["responses"]) {
                    tr { td { code { (status) } } td { (answer(resolve(document, response))) } }
                }
            }
        }
    }
}

fn answer(response: &Value) -> Markup {
    html! {
        (prose(&response["description"]))
        @for (media, content) in members(&response["content"]) {
            div.note { (media) " " (kind(&content["schema"])) }
        }
        @for (name, header) in members(&response["headers"]) {
            div.note { (name) ": " (text(&header["description"])) }
        }
    }
}

/// A line that makes the call.
fn curl(operation: &Operation) -> String {
    let mut line = "curl".to_owned();
    if operation.method != "get" {
        line += &format!(" -X {}", operation.method.to_uppercase());
    }
    if !operation.about["requestBody"].is_null() {
        // What is put is a schedule.
        let times = match operation.method {
            "put" => r#""cron": "30 2 * * *", "#,
            _ => "",
        };
        line += &format!(
            r#" -H 'Content-Type: application/json' -d '{{{times}"kind": "…", "args": {{}}}}'"#
        );
    }
    format!(
        "{line} -H \"Authorization: Bearer $TOKEN\" \"$URL{}\"",
        operation.path
    )
}

/// What a schema holds: its members in a table, else its type.
fn body(schema: &Value) -> Markup {
    let required = list(&schema["required"]);
    html! {
        (prose(&schema["description"]))
        @if schema["properties"].is_object() {
            table {
                tr { th { "Member" } th { "Type" } th { "What" } }
                @for (name, member) in members(&schema["properties"]) {
                    tr {
                        td {
                            code { (name) }
                            @if !required.contains(&Value::from(name.as_str())) { span.note { " may be missing" } }
                        }
                        td { (kind(member)) }
                        td { (prose(&member["description"])) }
                    }
                }
            }
        } @else if let Some(parts) = parts(schema) {
            @for part in parts { (body(part)) }
        } @else {
            p { (kind(schema)) }
        }
    }
}

fn parts(schema: &Value) -> Option<&Vec<Value>> {
    ["oneOf", "allOf"]
        .into_iter()
        .find_map(|word| schema[word].as_array())
}

/// The type of a schema, in a few words.
fn kind(schema: &Value) -> Markup {
    if let Some(name) = reference(schema) {
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    if let Some(parts) = parts(schema) {
        let shown = parts
            .iter()
            .filter(|part| part["type"] != "null" && !kind_is_empty(part));
        return html! {
            @for (index, part) in shown.enumerate() { @if index > 0 { " or " } (kind(part)) }
        };
    }
    if let Some(values) = schema["enum"].as_array() {
        return html! {
            @for (index, value) in values.iter().enumerate() { @if index > 0 { ", " } code { (text(value)) } }
        };
    }
    if schema["items"].is_object() {
        return html! { "list of " (kind(&schema["items"])) };
    }
    html! { (type_name(&schema["type"])) (bounds(schema)) }
}

/// A part that only narrows another.
fn kind_is_empty(schema: &Value) -> bool {
    reference(schema).is_none() && schema["type"].is_null() && parts(schema).is_none()
}

fn type_name(kind: &Value) -> String {
    match kind {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().map(text).collect();
            names.join(" or ")
        }
        _ => "any".to_owned(),
    }
}

fn bounds(schema: &Value) -> String {
    let words = [
        ("format", ""),
        ("minimum", "from "),
        ("maximum", "to "),
        ("default", "default "),
    ];
    let said = words.into_iter().filter_map(|(member, word)| {
        let value = &schema[member];
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        (!schema[member].is_null()).then(|| format!(", {word}{value}"))
    });
    said.collect()
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn resolve<'a>(document: &'a Value, response: &'a Value) -> &'a Value {
    match reference(response) {
        Some(name) => &document["components"]["responses"][name],
        None => response,
    }
}

/// A text of the document: paragraphs, and code between backticks.
fn prose(value: &Value) -> Markup {
    html! {
        @for paragraph in text(value).split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            p { (inline(paragraph)) }
        }
    }
}

/// Code between backticks, and the rest.
fn inline(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_the_document_is_no_markup() {
        let evil = "<script>alert(1)</script> `<b>`";
        let page = render(&json!({
            "info": {"title": evil, "description": evil},
            "paths": {evil: {"get": {"operationId": evil, "tags": ["jobs"], "summary": evil}}},
            "components": {"schemas": {evil: {"type": "string", "description": evil}}},
        }));
        assert!(!page.html.contains("<script"), "{}", page.html);
        assert!(!page.html.contains("<b>"), "{}", page.html);
        assert!(
            page.html.contains("<code>&lt;b&gt;</code>"),
            "{}",
            page.html
        );
    }
}
