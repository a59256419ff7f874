//! Short texts that carry their rule in their type, so that nothing behind the face checks again.
use crate::limits::{CURSOR_BYTES_MAX, DIGEST_CHARS_MAX, LABEL_BYTES_MAX, SLUG_BYTES_MAX};

/// Makes a newtype over `String` with a rule, a length and a JSON Schema.
macro_rules! text {
    ($(#[$outer:meta])* $name:ident, $bytes_max:expr, $pattern:literal, $rule:expr) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                let rule: fn(&str) -> bool = $rule;
                if text.is_empty() || text.len() > $bytes_max || !rule(&text) {
                    return Err(format!("write 1 to {} bytes that match {}", $bytes_max, $pattern));
                }
                Ok($name(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                text.to_string().try_into()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "minLength": 1, "maxLength": $bytes_max, "pattern": $pattern,
                })
            }
        }
    };
}

text! {
    /// An organisation, a site, an account: lower-case letters, digits and inner hyphens.
    Slug, SLUG_BYTES_MAX, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    |text| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-') && !text.ends_with('-')
}

impl Slug {
    /// `main`: the organisation and the site of whoever has one.
    pub fn main() -> Self {
        Slug("main".into())
    }
}

text! {
    /// A name, a model, a serial number: one line without control characters and without blanks
    /// at its ends.
    Label, LABEL_BYTES_MAX, r"^[^\p{Cc}\s]([^\p{Cc}]*[^\p{Cc}\s])?$",
    |text| !text.chars().any(char::is_control) && text.trim() == text
}

text! {
    /// A SHA-256 in lower-case hexadecimal digits.
    Digest, DIGEST_CHARS_MAX, "^[0-9a-f]{64}$",
    |text| text.len() == DIGEST_CHARS_MAX
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

text! {
    /// A place in a list, as the page before it gave it.
    Cursor, CURSOR_BYTES_MAX, r"^[^\p{Cc}]+$",
    |text| !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::{Label, Slug};

    #[test]
    fn slugs() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<Slug>().is_ok(), good, "{text:?}");
        check("main", true);
        check("site-2", true);
        check(&"a".repeat(63), true);
        check(&"a".repeat(64), false);
        for bad in ["", "-a", "a-", "A", "a_b", "ä", "a b"] {
            check(bad, false);
        }
    }

    #[test]
    fn labels() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<Label>().is_ok(), good, "{text:?}");
        check("Lampe 7 (Küche)", true);
        check(&"a".repeat(129), false);
        for bad in ["", " a", "a ", "a\nb", "a\u{7f}"] {
            check(bad, false);
        }
    }
}
