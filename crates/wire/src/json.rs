//! JSON of strangers: bounded, every key once, typed access that names what is wrong.
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A JSON value (RFC 8259).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Object(Object),
}

/// A JSON object in which every key was there once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object(pub BTreeMap<String, Value>);

/// Reads a text of at most `bytes_max` bytes whose value is an object. Nesting is bounded by
/// serde_json, at 128 levels.
///
/// # Errors
/// [`JsonRefused::TooLarge`] or [`JsonRefused::Malformed`], also for a key that is there twice:
/// whoever sent it is to blame.
pub fn parse_object(text: &[u8], bytes_max: usize) -> Result<Object, JsonRefused> {
    if text.len() > bytes_max {
        return Err(JsonRefused::TooLarge(bytes_max));
    }
    match serde_json::from_slice(text).map_err(|error| JsonRefused::Malformed(error.to_string()))? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonRefused::Malformed("the value is not an object".into())),
    }
}

impl Object {
    /// The value of a field, if the field is there.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// What `read` makes of a field's value.
    ///
    /// # Errors
    /// [`JsonRefused::Field`] if `read` makes nothing of it; `wanted` says what was wanted.
    pub fn optional<'a, T>(
        &'a self,
        field: &str,
        wanted: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, JsonRefused> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let refused = || JsonRefused::Field { field: field.into(), wanted };
        read(value).map(Some).ok_or_else(refused)
    }

    /// As [`optional`](Self::optional), for a field that must be there.
    ///
    /// # Errors
    /// [`JsonRefused::Missing`] or [`JsonRefused::Field`].
    pub fn required<'a, T>(
        &'a self,
        field: &str,
        wanted: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, JsonRefused> {
        self.optional(field, wanted, read)?.ok_or_else(|| JsonRefused::Missing(field.into()))
    }
}

impl Value {
    /// The string, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The unsigned integer, if it is one.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The array, if it is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::Text(text) => Self::String(text.clone()),
            Value::List(values) => Self::Array(values.iter().map(Self::from).collect()),
            Value::Object(Object(fields)) => {
                Self::Object(fields.iter().map(|(key, value)| (key.clone(), value.into())).collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = fields.next_entry::<String, Value>()? {
            if object.insert(key, value).is_some() {
                return Err(de::Error::custom("a key is there twice"));
            }
        }
        Ok(Value::Object(Object(object)))
    }
}

/// Why a JSON text was refused. Whoever sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonRefused {
    /// Over its limit, which is told.
    #[error("the JSON text is over {0} bytes")]
    TooLarge(usize),
    /// Not JSON, not an object, or with a key that is there twice.
    #[error("the JSON text is malformed (RFC 8259): {0}")]
    Malformed(String),
    /// A field that must be there is not.
    #[error("the field \"{0}\" is missing")]
    Missing(String),
    /// A field has another type or value than it may have.
    #[error("the field \"{field}\" is not {wanted}")]
    Field {
        /// Which field.
        field: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A field is not known where every field must be.
    #[error("the field \"{0}\" is not known")]
    Unknown(String),
    /// More entries than a limit, which is told.
    #[error("the field \"{0}\" has over {1} entries")]
    TooMany(String, usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        let got = parse_object(text.as_bytes(), 64);
        let written = got.map(|object| serde_json::Value::from(&Value::Object(object)).to_string());
        match (written, expect) {
            (Ok(written), Ok(expect)) => assert_eq!(written, expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{text}: {error}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn objects() {
        check("{}", Ok("{}"));
        let all = r#"{"a":null,"b":[true,-1,2,0.5,"\n"],"c":{"a":{}}}"#;
        check(all, Ok(all));
        check(r#"{"a":1,"b":2,"a":1}"#, Err("a key is there twice"));
        check(r#"{"a":{"b":1,"\u0062":2}}"#, Err("a key is there twice"));
        check("[]", Err("not an object"));
        check("{} {}", Err("trailing characters"));
        check("{\"a\":1e999}", Err("out of range"));
        check("{\"a\":\"\n\"}", Err("control character"));
        check("{\"a\":}", Err("expected value"));
        check(&" ".repeat(65), Err("over 64 bytes"));
        check("", Err("EOF"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "{\"a\":".repeat(200);
        assert!(matches!(parse_object(deep.as_bytes(), 4096), Err(JsonRefused::Malformed(_))));
    }
}
