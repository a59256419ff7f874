//! The served OpenAPI document: as it was, true, and enough to call every operation.

use crate::support::{Http, Hub, bearing, body};
use expect_test::{expect, expect_file};
use io::http::client::{Answer, Request};
use io::http::header::CONTENT_TYPE;
use io::http::url::Url;
use serde_json::{Map, Value as Json, json};

/// What needs another's example, or takes one away, or who asks, comes last, and in this order.
const LAST: [&str; 8] = [
    "configuration-show",
    "configuration-versions",
    "device-retire",
    "device-claim",
    "account-disable",
    "account-enable",
    "device-rename",
    "session-end",
];

fn served(hub: &Hub, http: &mut Http) -> Json {
    body(&http.send(&Request::get(hub.url("/api/v1/openapi.json"))))
}

#[test]
fn the_document() {
    let hub = Hub::start();
    let document = served(&hub, &mut hub.http());
    assert_eq!(document["openapi"], "3.1.0");
    let pretty = serde_json::to_string_pretty(&document).expect("JSON");
    expect_file!["openapi.json"].assert_eq(&(pretty + "\n"));
}

#[test]
fn every_operation_is_called_from_the_document_alone() {
    let hub = Hub::start();
    let mut http = hub.http();
    let document = served(&hub, &mut http);
    let problem = &document["components"]["schemas"]["Problem"];
    let mut all = operations(&document);
    all.sort_by_key(|operation| LAST.iter().position(|last| *last == operation.id));
    let mut refused = Map::new();
    for operation in &all {
        let answer = http.send(&operation.request(&hub));
        if !operation.judge(&answer, problem) {
            refused.insert(operation.id.clone(), body(&answer)["code"].take());
        }
    }
    let refused: Vec<String> = refused.into_iter().map(|(id, code)| format!("{id}: {code}")).collect();
    // What no example alone can ask for: a link's secret, an id that the hub makes, a real certificate.
    expect![[r#"
        access-activate: "device-unknown"
        access-judge: "device-unknown"
        access-locate: "device-unknown"
        access-plan: "device-unknown"
        access-show: "device-unknown"
        birth-show: "birth-unknown"
        clock-accept: "clock-not-behind"
        configuration-backup: "device-unknown"
        configuration-diff: "device-unknown"
        configuration-restore: "device-unknown"
        configuration-set: "device-unknown"
        credential-revoke: "credential-unknown"
        description-enter: "device-unknown"
        description-fetch: "device-unknown"
        description-show: "device-unknown"
        description-waive: "device-unknown"
        device-import: "bad-birth-record"
        device-replace: "device-unknown"
        finding-settle: "finding-unknown"
        finding-show: "finding-unknown"
        gate-appoint: "device-unknown"
        gate-dismiss: "device-unknown"
        onboarding-admit: "not-introduced"
        onboarding-adopt: "not-introduced"
        onboarding-settle: "nothing-to-settle"
        operation-cancel: "operation-unknown"
        product-description: "description-unknown"
        product-publish-description: "no-mud-url"
        quarantine-hold: "wrong-stage"
        quarantine-observe: "not-at-work"
        quarantine-release: "not-held"
        release-fetch: "anchor-unknown"
        release-publish: "version-or-way-back"
        release-show: "release-unknown"
        remediation-begin: "not-at-work"
        remediation-give-up: "remediation-not-running"
        retirement-begin: "not-at-work"
        retirement-cancel: "not-decommissioned"
        retirement-export: "not-decommissioned"
        retirement-force: "not-decommissioned"
        retirement-show: "not-decommissioned"
        rollout-cancel: "rollout-unknown"
        rollout-devices: "rollout-unknown"
        rollout-pause: "rollout-unknown"
        rollout-resume: "rollout-unknown"
        rollout-show: "rollout-unknown"
        rollout-start: "release-unknown"
        rollout-stop: "rollout-unknown"
        rollout-waves: "rollout-unknown"
        session-start: "not-permitted"
        support-clear: "support-unknown""#]]
    .assert_eq(&refused.join("\n"));
}

/// Which list names what a look asks for, and by which member.
const NAMED_BY: [(&str, &str, &str); 10] = [
    ("account", "account/list", "account"),
    ("anchor", "anchor/list", "anchor"),
    ("class", "controller/list", "class"),
    ("device", "device/list", "name"),
    ("finding", "finding/list", "finding"),
    ("product", "product/list", "product"),
    ("release", "release/list", "release"),
    ("requirement", "posture/list", "name"),
    ("rollout", "rollout/list", "rollout"),
    ("serial_number", "birth/list", "serial_number"),
];

/// Asks a hub that lived, whose ready-file is `ready`, for everything that can be looked at, of everything that
/// its lists name; each answer is what the document says. The operations that answered nothing but refusals.
pub fn looked_at_in_vain(ready: &Json) -> Vec<String> {
    let mut http = Http::believing(std::path::Path::new(text(&ready["ca"])));
    let mut get = |target: &str| {
        let url = Url::parse(text(&ready["people"])).and_then(|url| url.with_target(target)).expect("a URL");
        http.send(&bearing(Request::get(url), text(&ready["token"])))
    };
    let document = body(&get("/api/v1/openapi.json"));
    let problem = &document["components"]["schemas"]["Problem"];
    let mut in_vain = Vec::new();
    for operation in operations(&document).iter().filter(|operation| operation.method == "get") {
        let required = operation.required();
        let known = NAMED_BY.iter().find(|(name, ..)| required.iter().any(|(wanted, _)| wanted == name));
        let queries = match known {
            None => vec![query(&required)],
            Some((name, list, member)) => {
                let listed = body(&get(&format!("/api/v1/{list}")));
                let values = listed["items"].as_array().expect("items").iter().map(|item| &item[*member]);
                let of = |value: &Json| {
                    let given = required.iter().map(|(wanted, example)| {
                        (*wanted, if wanted == name { value.clone() } else { example.clone() })
                    });
                    query(&given.collect::<Vec<_>>())
                };
                values.map(of).collect()
            }
        };
        let mut answered = false;
        for query in queries {
            answered |= operation.judge(&get(&format!("{}?{query}", operation.path)), problem);
        }
        if !answered {
            in_vain.push(operation.id.clone());
        }
    }
    in_vain
}

/// One operation of the document.
struct Operation {
    id: String,
    path: String,
    method: String,
    operation: Json,
}

fn operations(document: &Json) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            found.push(Operation {
                id,
                path: path.clone(),
                method: method.clone(),
                operation: operation.clone(),
            });
        }
    }
    assert!(found.len() > 20);
    found
}

impl Operation {
    fn request(&self, hub: &Hub) -> Request {
        match self.method.as_str() {
            "get" => hub.get(&format!("{}?{}", self.path, query(&self.required()))),
            "post" => {
                let schema = &self.operation["requestBody"]["content"]["application/json"]["schema"];
                let arguments = object(schema);
                let found = violations(&arguments, schema, "");
                assert!(found.is_empty(), "{}: {found:?}", self.id);
                hub.post(&self.path, "application/json", arguments.to_string())
            }
            other => panic!("{}: {other}", self.id),
        }
    }

    /// What a query has to say, by its examples.
    fn required(&self) -> Vec<(&str, Json)> {
        let parameters = self.operation["parameters"].as_array().expect("parameters");
        let required = parameters.iter().filter(|p| p["in"] == "query" && p["required"] == true);
        required.map(|p| (text(&p["name"]), example(&p["schema"]))).collect()
    }

    /// Whether it was done; either way the body is what the document says.
    fn judge(&self, answer: &Answer, problem: &Json) -> bool {
        let (described, schema) = match answer.status.as_u16() {
            200 => {
                let content = &self.operation["responses"]["200"]["content"];
                ("application/json", &content["application/json"]["schema"])
            }
            _ => ("application/problem+json", problem),
        };
        assert_eq!(answer.header(&CONTENT_TYPE), Some(described), "{}", self.id);
        let found = violations(&body(answer), schema, "");
        assert!(found.is_empty(), "{}: {found:?}", self.id);
        answer.status == 200
    }
}

fn query(pairs: &[(&str, Json)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        query.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), String::from));
    }
    query.finish()
}

/// The required members of an object, by their examples.
fn object(schema: &Json) -> Json {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
    Json::Object(required.map(|name| (name.to_owned(), example(&schema["properties"][name]))).collect())
}

fn example(schema: &Json) -> Json {
    match (&schema["examples"][0], &schema["oneOf"][0]["const"]) {
        (Json::Null, Json::Null) => panic!("no example: {schema}"),
        (Json::Null, word) => word.clone(),
        (given, _) => given.clone(),
    }
}

/// What of `value` is not as `schema` says. It knows the words that the document uses, and no others.
fn violations(value: &Json, schema: &Json, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, rule) in schema.as_object().into_iter().flatten() {
        let good = match word.as_str() {
            "type" => is_of(value, rule),
            "const" => value == rule,
            "oneOf" => alternatives(value, rule, at) == 1,
            "anyOf" => alternatives(value, rule, at) > 0,
            "required" => value
                .as_object()
                .is_none_or(|v| rule.as_array().into_iter().flatten().all(|n| v.contains_key(text(n)))),
            "additionalProperties" => {
                *rule != false
                    || value
                        .as_object()
                        .is_none_or(|v| v.keys().all(|n| schema["properties"].get(n).is_some()))
            }
            "minLength" => value.as_str().is_none_or(|v| v.chars().count() as i64 >= number(rule)),
            "maxLength" => value.as_str().is_none_or(|v| v.chars().count() as i64 <= number(rule)),
            "minimum" => value.as_i64().is_none_or(|v| v >= number(rule)),
            "maximum" => value.as_i64().is_none_or(|v| v <= number(rule)),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                found.extend(items.flat_map(|(n, item)| violations(item, rule, &format!("{at}[{n}]"))));
                true
            }
            "properties" => {
                let members =
                    rule.as_object().into_iter().flatten().filter(|(name, _)| value.get(name).is_some());
                found.extend(
                    members.flat_map(|(name, rule)| violations(&value[name], rule, &format!("{at}.{name}"))),
                );
                true
            }
            "format" => rule != "date-time" || value.as_str().is_none_or(is_time),
            // Said by `serde` to whoever breaks it; this validator knows no regular expressions.
            "pattern" | "title" | "description" | "examples" | "default" => true,
            other => panic!("the document says `{other}`, which this validator does not know"),
        };
        if !good {
            found.push(format!("{at}: {value} is not {word} {rule}"));
        }
    }
    found
}

fn alternatives(value: &Json, rules: &Json, at: &str) -> usize {
    rules.as_array().into_iter().flatten().filter(|rule| violations(value, rule, at).is_empty()).count()
}

fn is_of(value: &Json, kind: &Json) -> bool {
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("the document says the type `{other}`"),
    };
    match kind {
        Json::Array(kinds) => kinds.iter().any(|kind| is(text(kind))),
        kind => is(text(kind)),
    }
}

fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    // A whole second has no fraction.
    shape == "0000-00-00T00:00:00.000Z" || shape == "0000-00-00T00:00:00Z"
}

fn text(json: &Json) -> &str {
    json.as_str().expect("text")
}

fn number(json: &Json) -> i64 {
    json.as_i64().expect("a number")
}

#[test]
fn the_validator_refuses() {
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {
            "a": {"type": "string", "minLength": 1, "maxLength": 2},
            "b": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 3}, {"type": "null"}]},
            "c": {"type": "array", "items": {"oneOf": [{"const": "x"}, {"const": "y"}]}},
            "d": {"type": "string", "format": "date-time"},
        },
    });
    let check = |value: Json, good: bool| {
        assert_eq!(violations(&value, &schema, "").is_empty(), good, "{value}");
    };
    check(json!({"a": "x"}), true);
    check(json!({"a": "x", "b": null, "c": ["x", "y"], "d": "2026-11-22T12:11:01.000Z"}), true);
    check(json!({}), false);
    check(json!([]), false);
    check(json!({"a": ""}), false);
    check(json!({"a": "xyz"}), false);
    check(json!({"a": 1}), false);
    check(json!({"a": "x", "b": 4}), false);
    check(json!({"a": "x", "c": ["z"]}), false);
    check(json!({"a": "x", "d": "yesterday"}), false);
    check(json!({"a": "x", "e": 1}), false);
}
