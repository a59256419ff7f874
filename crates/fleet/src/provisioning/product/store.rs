//! Rows of products.
use super::Product;
use super::rules::{self, State, Template};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Row, Tx, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "product",
    number: 1,
    sql: "
CREATE TABLE product (
  organisation TEXT NOT NULL, product TEXT NOT NULL, hardware_type TEXT NOT NULL, mud_url TEXT NOT NULL,
  masa_url TEXT NOT NULL, discontinued BIGINT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (organisation, product));
",
}];

fn state(row: &Row) -> Result<State, Fault> {
    let template = Template {
        hardware_type: row.text(0)?.into(),
        mud_url: row.text(1)?.into(),
        masa_url: row.text(2)?.into(),
    };
    Ok(State { template: Some(template), discontinued: row.int(3)? != 0 })
}

/// The products of an organisation after `after`, by name.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn product_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(String, State)>, Fault> {
    many(
        tx,
        "SELECT hardware_type, mud_url, masa_url, discontinued, product FROM product \
         WHERE organisation = $1 AND product > $2 ORDER BY product LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((row.text(4)?.to_string(), state(row)?)),
    )
}

impl Room for Product {
    const NAME: &'static str = "product";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT hardware_type, mud_url, masa_url, discontinued, version FROM product \
             WHERE organisation = $1 AND product = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| Ok((state(row)?, row.int(4)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let Some(template) = &change.new.template else {
            return Err(Fault::corrupt("a product without a template"));
        };
        let (organisation, product) = (subject.organisation.as_str(), subject.id.as_str());
        let discontinued = i64::from(change.new.discontinued);
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO product (organisation, product, hardware_type, mud_url, masa_url, discontinued, \
                 version) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                &[
                    organisation.into(),
                    product.into(),
                    template.hardware_type.as_str().into(),
                    template.mud_url.as_str().into(),
                    template.masa_url.as_str().into(),
                    discontinued.into(),
                    change.new_version.into(),
                ],
            )?,
            // What its devices carry never changes.
            old_version => tx.exec(
                "UPDATE product SET discontinued = $1, version = $2 \
                 WHERE organisation = $3 AND product = $4 AND version = $5",
                &[
                    discontinued.into(),
                    change.new_version.into(),
                    organisation.into(),
                    product.into(),
                    old_version.into(),
                ],
            )?,
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM product", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
