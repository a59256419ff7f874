//! OpenAPI 3.1 from the operation table.
use crate::api::path;
use crate::problem;
use fleet::OPERATIONS;
use fleet::operation::{Kind, OperationRow};
use serde_json::{Map, Value as Json, json};

/// The whole document.
pub fn document() -> Json {
    let paths: Map<String, Json> = OPERATIONS.iter().map(|row| (path(row), path_item(row))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Steward",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs a fleet of IoT devices from factory to end of life.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token from `token issue`."},
            },
            "schemas": {"Problem": problem::schema()},
        },
    })
}

fn path_item(row: &OperationRow) -> Json {
    let (noun, _) = row.noun_verb();
    let mut operation = json!({
        "operationId": row.name.replace(' ', "-"),
        "summary": row.about(),
        "tags": [noun],
        "x-permission": row.needs,
        "responses": responses(row),
    });
    match row.kind {
        Kind::Read => {
            operation["parameters"] = parameters(row);
            json!({"get": operation})
        }
        Kind::Write => {
            operation["parameters"] = json!([idempotency_key()]);
            operation["requestBody"] = json!({
                "required": true,
                "content": {"application/json": {"schema": row.arguments_schema()}},
            });
            json!({"post": operation})
        }
    }
}

fn responses(row: &OperationRow) -> Json {
    json!({
        "200": {
            "description": "Done.",
            "content": {"application/json": {"schema": row.answer_schema()}},
        },
        "default": {
            "description": "Not done, and nothing of it was stored.",
            "content": {problem::MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        },
    })
}

fn parameters(row: &OperationRow) -> Json {
    let schema = row.arguments_schema();
    let parameter = |field: fleet::operation::Field| {
        json!({
            "name": field.name,
            "in": "query",
            "required": field.required,
            "description": field.about,
            "schema": schema["properties"][&field.name],
        })
    };
    row.fields().into_iter().map(parameter).collect()
}

fn idempotency_key() -> Json {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Repeat a request with the same key, and it is done once; remembered for a day.",
        "schema": {"type": "string", "minLength": 1, "maxLength": fleet::limits::IDEMPOTENCY_KEY_BYTES_MAX},
    })
}
