//! `audit verify` names the first bad entry, whatever was done to the tables behind its back.
use crate::support::{World, Writer, on_both, permitted};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use fleet::audit::rules::{Checkpoint, Head, checkpoint_message};
use fleet::audit::store::{checkpoint_add, journal_walk, lane_list};
use fleet::room::Env;
use fleet::time::Millis;
use fleet::tx::{Fault, FaultKind, Tx, Value};
use store::run_read;
use wire::{PublicKey, Signer, SignerFailed};

/// A key of the tests.
struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        Key(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"))
    }
}

impl Signer for Key {
    fn public_point(&self) -> [u8; 65] {
        self.0.public_key().as_ref().try_into().expect("a point of P-256")
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let signed = self.0.sign(&SystemRandom::new(), message);
        signed.map(|s| s.as_ref().to_vec()).map_err(|e| SignerFailed(e.to_string()))
    }
}

fn checkpoint(key: &Key, head: Head) -> Checkpoint {
    let at = Millis(1);
    Checkpoint { head, at, signature: key.sign(&checkpoint_message(&head, at)).expect("signed") }
}

/// Six entries, the last of them with a signed checkpoint.
fn journal(world: &World, key: &Key) -> Writer {
    let mut writer = world.writer();
    for serial_number in ["a", "b", "c", "d", "e", "f"] {
        let arguments = format!(r#"{{"serial_number":"{serial_number}"}}"#);
        writer.write("device expect", &arguments).expect("expected");
    }
    let done = writer.engine.batch(&mut |tx| {
        let head = lane_list(tx)?.remove(0);
        checkpoint_add(tx, &checkpoint(key, head))
    });
    done.expect("a checkpoint");
    writer.env = Env { checkpoint_key: Some(PublicKey::of(key).expect("a key")) };
    writer.sound();
    writer
}

/// What `audit verify` says after `damage`, which is undone again.
fn verdict(writer: &mut Writer, damage: &dyn Fn(&mut dyn Tx) -> Result<(), Fault>) -> String {
    let (verify, now, env) = (permitted("audit verify", "{}").expect("good"), writer.now, writer.env.clone());
    let mut found = String::new();
    let undone = writer.engine.batch(&mut |tx| {
        damage(tx)?;
        found = match run_read(tx, now, &env, &verify) {
            Ok(_) => "nothing".into(),
            Err(why) => format!("{}: {}", why.code, why.detail),
        };
        Err(Fault::new(FaultKind::Conflict, "undo"))
    });
    assert_eq!(undone.map_err(|why| why.detail), Err("undo".to_string()));
    found
}

fn check(writer: &mut Writer, what: &str, expect: &str, damage: &dyn Fn(&mut dyn Tx) -> Result<(), Fault>) {
    let found = verdict(writer, damage);
    assert!(found.contains(expect), "{what}: expected `{expect}`, found `{found}`");
    writer.sound();
}

fn statements(list: &'static [&'static str]) -> impl Fn(&mut dyn Tx) -> Result<(), Fault> {
    move |tx| {
        for sql in list {
            assert_eq!(tx.exec(sql, &[])?, 1, "{sql}");
        }
        Ok(())
    }
}

#[test]
fn a_changed_column_is_found() {
    on_both("a changed column", |world| {
        let mut writer = journal(world, &Key::new());
        const CHANGED: [&[&str]; 10] = [
            &["UPDATE journal SET at = at + 1 WHERE seq = 3"],
            &["UPDATE journal SET action = 'device rename' WHERE seq = 3"],
            &["UPDATE journal SET actor = 'testes' WHERE seq = 3"],
            &["UPDATE journal SET room = 'account' WHERE seq = 3"],
            &["UPDATE journal SET organisation = 'mainz' WHERE seq = 3"],
            &["UPDATE journal SET site = '' WHERE seq = 3"],
            &["UPDATE journal SET subject = subject || '0' WHERE seq = 3"],
            &["UPDATE journal SET version = version + 1 WHERE seq = 3"],
            &["UPDATE journal SET detail = replace(detail, 'c', 'x') WHERE seq = 3"],
            &["UPDATE journal SET hash = (SELECT hash FROM journal WHERE seq = 2) WHERE seq = 3"],
        ];
        for sql in CHANGED {
            check(&mut writer, sql[0], "entry 3 was changed", &statements(sql));
        }
        const MOVED: [&[&str]; 2] =
            [&["UPDATE journal SET lane = 2 WHERE seq = 3"], &["UPDATE journal SET seq = 30 WHERE seq = 3"]];
        for sql in MOVED {
            check(&mut writer, sql[0], "entry 3 is missing", &statements(sql));
        }
    });
}

#[test]
fn one_byte_of_a_hash_is_found() {
    on_both("one byte of a hash", |world| {
        let mut writer = journal(world, &Key::new());
        check(&mut writer, "a byte of a hash", "entry 4 was changed", &|tx| {
            let mut hash = journal_walk(tx, 1, 3, 1)?.remove(0).hash;
            hash[31] ^= 1;
            tx.exec("UPDATE journal SET hash = $1 WHERE seq = 4", &[hash[..].into()]).map(drop)
        });
        check(&mut writer, "a byte of the head", "head does not fit the last entry 6", &|tx| {
            let mut hash = lane_list(tx)?.remove(0).hash;
            hash[0] ^= 0x80;
            tx.exec("UPDATE lane SET hash = $1", &[hash[..].into()]).map(drop)
        });
    });
}

#[test]
fn removed_and_swapped_entries_are_found() {
    on_both("removed and swapped entries", |world| {
        let mut writer = journal(world, &Key::new());
        let cases: [(&str, &str, &'static [&'static str]); 5] = [
            ("the first removed", "entry 1 is missing", &["DELETE FROM journal WHERE seq = 1"]),
            ("a middle one removed", "entry 3 is missing", &["DELETE FROM journal WHERE seq = 3"]),
            ("the last one removed", "entry 6 is missing", &["DELETE FROM journal WHERE seq = 6"]),
            (
                "the last two removed",
                "entry 5 is missing",
                &["DELETE FROM journal WHERE seq = 5", "DELETE FROM journal WHERE seq = 6"],
            ),
            (
                "two swapped",
                "entry 3 was changed",
                &[
                    "UPDATE journal SET seq = 99 WHERE seq = 3",
                    "UPDATE journal SET seq = 3 WHERE seq = 4",
                    "UPDATE journal SET seq = 4 WHERE seq = 99",
                ],
            ),
        ];
        for (what, expect, sql) in cases {
            check(&mut writer, what, expect, &statements(sql));
        }
    });
}

const REWIND: &[&str] = &[
    "DELETE FROM journal WHERE seq = 6",
    "UPDATE lane SET seq = 5, hash = (SELECT hash FROM journal WHERE seq = 5)",
];

#[test]
fn a_lane_that_was_wound_back_is_found_by_its_checkpoint() {
    on_both("a lane wound back", |world| {
        let mut writer = journal(world, &Key::new());
        check(&mut writer, "wound back", "entry 6 is missing", &statements(REWIND));
        // Without the checkpoint nobody could know.
        let found = verdict(&mut writer, &|tx| {
            statements(REWIND)(tx)?;
            tx.exec("DELETE FROM checkpoint", &[]).map(drop)
        });
        assert_eq!(found, "nothing");
    });
}

#[test]
fn a_removed_lane_is_found_by_what_still_speaks_of_it() {
    on_both("a removed lane", |world| {
        let mut writer = journal(world, &Key::new());
        let cases: [&'static [&'static str]; 2] =
            [&["DELETE FROM lane"], &["DELETE FROM lane", "DELETE FROM checkpoint"]];
        for sql in cases {
            check(&mut writer, sql[0], "head does not fit", &statements(sql));
        }
        check(&mut writer, "only the checkpoint left", "head does not fit", &|tx| {
            tx.exec("DELETE FROM journal", &[])?;
            tx.exec("DELETE FROM lane", &[]).map(drop)
        });
    });
}

#[test]
fn an_emptied_journal_is_found_by_what_the_rooms_know() {
    on_both("an emptied journal", |world| {
        let mut writer = journal(world, &Key::new());
        let empty = |tx: &mut dyn Tx| {
            tx.exec("DELETE FROM journal", &[])?;
            tx.exec("DELETE FROM checkpoint", &[]).map(drop)
        };
        check(&mut writer, "everything", "the journal is empty, but", &|tx| {
            empty(tx)?;
            tx.exec("DELETE FROM lane", &[]).map(drop)
        });
        // As a hub that is started on it makes it anew.
        check(&mut writer, "and begun anew", "the journal is empty, but", &|tx| {
            empty(tx)?;
            let genesis = Head::genesis(1).hash;
            tx.exec("UPDATE lane SET seq = 0, hash = $1", &[genesis[..].into()]).map(drop)
        });
        // A folder that a hub has not written to yet.
        let another = world.another();
        let mut fresh = another.writer();
        assert_eq!(fresh.read("audit verify", "{}").expect("it holds")["entries"], 0);
        fresh.tamper("DELETE FROM lane", &[]);
        let found = fresh.read("audit verify", "{}").expect_err("nobody wrote here");
        assert!(found.detail.contains("no lane"), "{}", found.detail);
    });
}

/// Chains the lane anew from entry 3, as somebody with the program's code could.
fn forge(tx: &mut dyn Tx) -> Result<Head, Fault> {
    tx.exec("UPDATE journal SET actor = 'mallory' WHERE seq = 3", &[])?;
    let links = journal_walk(tx, 1, 0, 100)?;
    let mut head = Head::genesis(1);
    for link in links {
        let forged = head.append(link.at, &link.action, link.entry);
        let args: [Value; 2] = [forged.hash[..].into(), forged.seq.into()];
        tx.exec("UPDATE journal SET hash = $1 WHERE seq = $2", &args)?;
    }
    tx.exec("UPDATE lane SET hash = $1", &[head.hash[..].into()])?;
    Ok(head)
}

#[test]
fn a_forged_chain_or_checkpoint_is_found_by_the_hubs_key() {
    on_both("a forged chain", |world| {
        let (ours, theirs) = (Key::new(), Key::new());
        let mut writer = journal(world, &ours);
        check(&mut writer, "a forged chain", "entry 6 is not the one that a signed checkpoint", &|tx| {
            forge(tx).map(drop)
        });
        check(
            &mut writer,
            "a checkpoint by another key",
            "checkpoint at entry 6 is not signed by this hub",
            &|tx| {
                let head = lane_list(tx)?.remove(0);
                tx.exec("DELETE FROM checkpoint", &[])?;
                checkpoint_add(tx, &checkpoint(&theirs, head))
            },
        );
        check(&mut writer, "both forged", "checkpoint at entry 6 is not signed by this hub", &|tx| {
            let head = forge(tx)?;
            tx.exec("DELETE FROM checkpoint", &[])?;
            checkpoint_add(tx, &checkpoint(&theirs, head))
        });
        // The same without the hub's key: the chain fits itself, and the answer says what was not judged.
        let key = writer.env.checkpoint_key.take();
        assert_eq!(
            verdict(&mut writer, &|tx| {
                let head = forge(tx)?;
                tx.exec("DELETE FROM checkpoint", &[])?;
                checkpoint_add(tx, &checkpoint(&theirs, head))
            }),
            "nothing"
        );
        let answer = writer.read("audit verify", "{}").expect("it holds");
        assert_eq!(answer["signatures_judged"], false);
        writer.env.checkpoint_key = key;
    });
}
