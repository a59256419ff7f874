//! SUIT: the draft's examples, other people's envelopes, our own, and what a processor makes of them.
use crate::support::{TestKey, corpus, openssl};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use wire::cose::sign_detached;
use wire::digest::sha256;
use wire::suit::{
    Authentic, Command, ComponentFailed, ComponentId, ComponentText, Components, Envelope, LanguageText,
    Member, Output, Parameters, Procedure, ProcessFailed, Processor, Reason, Release, SequenceName,
    SuitRefused, Text, Uuid, VendorId,
};
use wire::{PublicKey, limits};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A device of the draft's examples, whose components are what was fetched last.
struct Bench {
    components: Vec<ComponentId>,
    vendor: Uuid,
    class: Uuid,
    slot: u64,
    digests: BTreeMap<ComponentId, [u8; 32]>,
    log: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let vendor = Uuid::of_vendor("arm.com");
        Self {
            components: [0, 1, 2].map(|id| ComponentId(vec![vec![id]])).to_vec(),
            vendor,
            class: vendor.of_class("suit"),
            slot: 0,
            digests: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// Runs a procedure; whatever is fetched is what the manifest wants. Returns what was done.
    fn run(&mut self, authentic: &Authentic, procedure: Procedure) -> Result<Vec<String>, ProcessFailed> {
        let mut processor = Processor::new(authentic.clone(), procedure, None, self)?;
        self.log.clear();
        loop {
            match processor.run(self)? {
                Output::Fetch { component, uri, image_size, image_digest } => {
                    self.log.push(format!("fetch {component} {uri} {image_size:?}"));
                    self.digests.insert(component, image_digest.unwrap_or_default());
                }
                Output::Invoke { component, .. } => self.log.push(format!("invoke {component}")),
                Output::Done => return Ok(std::mem::take(&mut self.log)),
            }
        }
    }
}

impl Components for Bench {
    fn has(&self, component: &ComponentId) -> bool {
        self.components.contains(component)
    }

    fn is_of_vendor(&self, _: &ComponentId, vendor: &VendorId) -> bool {
        *vendor == VendorId::Uuid(self.vendor)
    }

    fn is_of_class(&self, _: &ComponentId, class: Uuid) -> bool {
        class == self.class
    }

    fn sha256(&mut self, component: &ComponentId) -> Result<Option<[u8; 32]>, ComponentFailed> {
        Ok(self.digests.get(component).copied())
    }

    fn slot(&self, _: &ComponentId) -> Option<u64> {
        Some(self.slot)
    }

    fn version(&self, _: &ComponentId) -> Option<Vec<i64>> {
        Some(vec![1, 2, 3])
    }

    fn write(&mut self, component: &ComponentId, content: &[u8]) -> Result<(), ComponentFailed> {
        self.log.push(format!("write {component} {}", content.len()));
        self.digests.insert(component.clone(), sha256(content));
        Ok(())
    }

    fn copy(&mut self, component: &ComponentId, source: &ComponentId) -> Result<(), ComponentFailed> {
        self.log.push(format!("copy {source} to {component}"));
        let digest =
            *self.digests.get(source).ok_or_else(|| ComponentFailed("the source is empty".into()))?;
        self.digests.insert(component.clone(), digest);
        Ok(())
    }
}

fn folder(test: &str) -> Option<PathBuf> {
    corpus(test, "vectors/suit")
}

/// The key of the draft's appendix.
fn draft_key(folder: &std::path::Path) -> PublicKey {
    let pem = std::fs::read_to_string(folder.join("manifest-draft.pub.pem")).unwrap();
    let spki = der::pem::decode_vec(pem.as_bytes()).unwrap().1;
    PublicKey::from_spki_der(&spki).unwrap()
}

fn authentic(folder: &std::path::Path, name: &str) -> Result<Authentic, SuitRefused> {
    let bytes = std::fs::read(folder.join(name)).unwrap();
    Envelope::from_cbor(&bytes)?.authenticate(&[draft_key(folder)])
}

/// Every parameter that a manifest sets anywhere.
fn parameters(authentic: &Authentic) -> Vec<Parameters> {
    use SequenceName::{Install, Invoke, Load, PayloadFetch, Shared, Validate};
    let all = [Shared, PayloadFetch, Install, Validate, Load, Invoke];
    let commands = all.into_iter().flat_map(|name| authentic.manifest.commands(name));
    commands
        .filter_map(|command| match command {
            Command::OverrideParameters(parameters) => Some((**parameters).clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn the_examples_say_what_their_sources_say() {
    let Some(folder) = folder("the_examples_say_what_their_sources_say") else { return };
    for number in 0..=5 {
        let example = authentic(&folder, &format!("manifest-ex{number}-signed.suit")).unwrap();
        let source = std::fs::read(folder.join(format!("manifest-ex{number}.source.json"))).unwrap();
        let source: Value = serde_json::from_slice(&source).unwrap();
        assert_eq!(example.manifest.sequence_number, source["manifest-sequence-number"].as_u64().unwrap());
        assert_eq!(example.manifest.reference_uri.as_deref(), source["reference-uri"].as_str());
        let set = parameters(&example);
        let said = |what: &str, found: &dyn Fn(&Parameters) -> bool| {
            assert!(set.iter().any(found), "example {number}: {what}");
        };
        for component in source["components"].as_array().unwrap() {
            let text = |key: &str| component[key].as_str().map(str::to_owned);
            for key in ["install-id", "download-id", "load-id"] {
                let Some(id) = component[key].as_array() else { continue };
                let id = ComponentId(id.iter().map(|it| hex(it.as_str().unwrap())).collect());
                assert!(example.manifest.components.contains(&id), "example {number}: {id}");
            }
            for (digest, size) in [("install-digest", "install-size"), ("load-digest", "load-size")] {
                let Some(wanted) = component[digest]["digest-bytes"].as_str().map(hex) else { continue };
                said(digest, &|it| it.image_digest.as_ref().is_some_and(|it| it.bytes == wanted));
                said(size, &|it| it.image_size == component[size].as_u64());
            }
            if component["vendor-id"].is_string() {
                said("vendor-id", &|it| match &it.vendor_id {
                    Some(VendorId::Uuid(id)) => Some(id.to_string()) == text("vendor-id"),
                    _ => false,
                });
                said("class-id", &|it| it.class_id.map(|it| it.to_string()) == text("class-id"));
            }
            if component["uri"].is_string() && number != 0 {
                said("uri", &|it| it.uri == text("uri"));
            }
        }
        let unsigned = authentic(&folder, &format!("manifest-ex{number}-unsigned.suit"));
        assert_eq!(unsigned.unwrap_err(), SuitRefused::NotSigned);
    }
}

#[test]
fn the_examples_run() {
    let Some(folder) = folder("the_examples_run") else { return };
    let check = |bench: &mut Bench, number: u8, update: &[&str], invocation: &[&str]| {
        let example = authentic(&folder, &format!("manifest-ex{number}-signed.suit")).unwrap();
        assert_eq!(bench.run(&example, Procedure::Update).unwrap(), update, "example {number}");
        assert_eq!(bench.run(&example, Procedure::Invocation).unwrap(), invocation, "example {number}");
        // What is there is not fetched again.
        let again = bench.run(&example, Procedure::Update).unwrap();
        assert!(!again.iter().any(|it| it.starts_with("fetch [h'00'")), "{again:?}");
    };
    let digest = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
    let mut bench = Bench::new();
    bench.digests.insert(bench.components[0].clone(), hex(digest).try_into().unwrap());
    check(&mut bench, 0, &[], &["invoke [h'00']"]);
    check(&mut Bench::new(), 1, &["fetch [h'00'] http://example.com/file.bin Some(34768)"], &[]);
    let two = "fetch [h'00'] http://example.com/very/long/path/to/file/file.bin Some(34768)";
    check(&mut Bench::new(), 2, &[two], &["invoke [h'00']"]);
    check(&mut Bench::new(), 3, &["fetch [h'00'] http://example.com/file1.bin Some(34768)"], &[]);
    let mut other = Bench { slot: 1, ..Bench::new() };
    check(&mut other, 3, &["fetch [h'00'] http://example.com/file2.bin Some(76834)"], &[]);
    let mut none = Bench { slot: 2, ..Bench::new() };
    let example = authentic(&folder, "manifest-ex3-signed.suit").unwrap();
    let refused = none.run(&example, Procedure::Update).unwrap_err();
    assert!(refused.to_string().starts_with("suit-condition-component-slot failed in suit-shared-sequence"));
    let example = authentic(&folder, "manifest-ex5-signed.suit").unwrap();
    let five = [
        "fetch [h'00'] http://example.com/file1.bin Some(34768)",
        "fetch [h'01'] http://example.com/file2.bin Some(76834)",
    ];
    let mut bench = Bench::new();
    assert_eq!(bench.run(&example, Procedure::Update).unwrap(), five);
    assert_eq!(bench.run(&example, Procedure::Invocation).unwrap(), ["invoke [h'00']"]);
}

#[test]
fn example_4_loads_from_external_storage() {
    let Some(folder) = folder("example_4_loads_from_external_storage") else { return };
    let example = authentic(&folder, "manifest-ex4-signed.suit").unwrap();
    let mut bench = Bench::new();
    let done = bench.run(&example, Procedure::Update).unwrap();
    assert_eq!(done, ["fetch [h'02'] http://example.com/file.bin None", "copy [h'02'] to [h'00']"]);
    // The loaded image is another one (decompressed, say), and our copy is plain.
    let refused = bench.run(&example, Procedure::Invocation).unwrap_err();
    assert_eq!(bench.log, ["copy [h'00'] to [h'01']"]);
    assert!(refused.to_string().starts_with("suit-condition-image-match failed in suit-load"), "{refused}");
    assert_eq!(refused.reason(), Reason::ConditionFailed);
}

#[test]
fn example_2_may_be_severed() {
    let Some(folder) = folder("example_2_may_be_severed") else { return };
    let whole = authentic(&folder, "manifest-ex2-signed.suit").unwrap();
    let text = whole.text().unwrap().unwrap();
    let words = &text.0["en-US"];
    assert!(words.manifest_description.as_ref().unwrap().starts_with("## Example 2"));
    let component = &words.components[&ComponentId(vec![vec![0]])];
    assert!(component.description.as_ref().unwrap().starts_with("This component is a demonstration"));
    assert_eq!(component.vendor_domain.as_deref(), Some("arm.com"));
    let severed = authentic(&folder, "manifest-ex2-signed-severed.suit").unwrap();
    assert_eq!(severed.digest, whole.digest);
    assert_eq!(severed.text(), Ok(None));
    assert_eq!(severed.manifest.sequences[&SequenceName::Install], Member::Severed);
    let refused = Bench::new().run(&severed, Procedure::Update).unwrap_err();
    assert_eq!(refused, ProcessFailed::Severed(SequenceName::Install));
    // What was installed before is invoked all the same.
    let mut bench = Bench::new();
    bench.run(&whole, Procedure::Update).unwrap();
    assert_eq!(bench.run(&severed, Procedure::Invocation).unwrap(), ["invoke [h'00']"]);
}

#[test]
fn no_changed_byte_is_authentic() {
    let Some(folder) = folder("no_changed_byte_is_authentic") else { return };
    let keys = [draft_key(&folder)];
    for number in 0..=5 {
        let bytes = std::fs::read(folder.join(format!("manifest-ex{number}-signed.suit"))).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let read = Envelope::from_cbor(&damaged).and_then(|it| it.authenticate(&keys));
                assert!(read.is_err(), "example {number}, byte {at}, bit {bit}");
            }
            assert!(Envelope::from_cbor(&bytes[..at]).is_err());
        }
        let stranger = [TestKey::new().public()];
        let refused = Envelope::from_cbor(&bytes).unwrap().authenticate(&stranger).unwrap_err();
        assert_eq!(refused.reason(), Reason::Unauthorised);
    }
}

/// What becomes of a file: the error, or what was done.
fn outcome(folder: &std::path::Path, name: &str, procedure: Procedure) -> String {
    let authentic = match authentic(folder, name) {
        Ok(authentic) => authentic,
        Err(why) => return why.to_string(),
    };
    let done = Bench::new().run(&authentic, procedure);
    done.map_or_else(|why| why.to_string(), |done| done.join("; "))
}

#[test]
fn other_peoples_envelopes() {
    let Some(folder) = folder("other_peoples_envelopes") else { return };
    let check = |name: &str, expect: &str| {
        assert_eq!(outcome(&folder, &format!("{name}.suit"), Procedure::Update), expect, "{name}");
    };
    let mac = "nobody who is trusted signed the manifest: this is no tagged COSE_Sign1 (RFC 9052): byte 0: \
               another item was expected: tag 18, not 17";
    for name in ["expAF", "expAFS", "expAW"] {
        check(&format!("libcsuit-suit_manifest_{name}"), mac);
    }
    for name in ["content-signed", "slot-signed", "signed"] {
        check(&format!("fe-suit-manifest-aes-kw-{name}"), mac);
    }
    let twelve = "fetch [h'00'] http://example.com/file.bin Some(34768)";
    let long = "fetch [h'00'] http://example.com/very/long/path/to/file/file.bin Some(34768)";
    let one = "fetch [h'00'] http://example.com/file1.bin Some(34768)";
    let two = "fetch [h'01'] http://example.com/file2.bin Some(76834)";
    check("libcsuit-suit_manifest_exp1", twelve);
    check("libcsuit-suit_manifest_exp2A", "suit-install was severed and is not in the envelope");
    check("libcsuit-suit_manifest_exp2B", long);
    check("libcsuit-suit_manifest_exp3", one);
    check("libcsuit-suit_manifest_exp5", &format!("{one}; {two}"));
    for (name, refused) in [
        ("libcsuit-suit_manifest_expD", "member of suit-common 1 (suit-dependencies)"),
        ("libcsuit-suit_manifest_expED", "member of suit-common 1 (suit-dependencies)"),
        // Encryption info, for which draft-ietf-suit-firmware-encryption has no number yet.
        ("libcsuit-suit_manifest_expEW", "parameter 19"),
        ("libcsuit-suit_manifest_expI", "manifest member 5 (suit-manifest-component-id)"),
        ("libcsuit-suit_manifest_expS0", "manifest member 5 (suit-manifest-component-id)"),
        ("libcsuit-suit_manifest_expU", "manifest member 5 (suit-manifest-component-id)"),
        ("libcsuit-suit_manifest_expU0", "parameter 4 (suit-parameter-use-before)"),
        ("libcsuit-suit_manifest_expU1", "command 34 (suit-directive-override-multiple)"),
        ("libcsuit-suit_manifest_expU2", "manifest member 6 (suit-set-version)"),
        ("libcsuit-suit_manifest_expU3", "parameter 30 (suit-parameter-component-metadata)"),
        ("td-example0_dependent", "manifest member 5 (suit-manifest-component-id)"),
        ("td-example1_process", "member of suit-common 1 (suit-dependencies)"),
        ("td-example2_integrated", "member of suit-common 1 (suit-dependencies)"),
    ] {
        check(name, &format!("{refused} is not supported by this device"));
    }
}

pub fn release() -> Release {
    let vendor = Uuid::of_vendor("arm.com");
    let component = ComponentId(vec![vec![0]]);
    let about = ComponentText { version: Some("1.1".into()), ..ComponentText::default() };
    let words = LanguageText {
        update_description: Some("Mends the lamp".into()),
        components: BTreeMap::from([(component.clone(), about)]),
        ..LanguageText::default()
    };
    Release {
        sequence_number: 7,
        component,
        vendor_id: vendor,
        class_id: vendor.of_class("suit"),
        image_digest: sha256(b"image"),
        image_size: 5,
        uri: "https://maker.example/1.1".into(),
        reference_uri: Some("https://maker.example/1.1.suit".into()),
        text: Some(Text(BTreeMap::from([("en".into(), words.clone()), ("de-CH".into(), words)]))),
    }
}

fn read(envelope: &[u8], key: &TestKey) -> Result<Authentic, SuitRefused> {
    Envelope::from_cbor(envelope)?.authenticate(&[key.public()])
}

#[test]
fn a_release_says_what_it_was_given() {
    let key = TestKey::new();
    let release = release();
    let authentic = read(&release.envelope(&key).unwrap(), &key).unwrap();
    assert_eq!(authentic.manifest.sequence_number, 7);
    assert_eq!(authentic.manifest.reference_uri, release.reference_uri);
    assert_eq!(authentic.text().unwrap(), release.text);
    assert_eq!(authentic.signer, key.public());
    let mut bench = Bench::new();
    let fetched = bench.run(&authentic, Procedure::Update).unwrap();
    assert_eq!(fetched, ["fetch [h'00'] https://maker.example/1.1 Some(5)"]);
    assert_eq!(bench.digests.values().collect::<Vec<_>>(), [&sha256(b"image")]);
    assert_eq!(bench.run(&authentic, Procedure::Invocation).unwrap(), ["invoke [h'00']"]);
    // Without the optional parts.
    let plain = Release { text: None, reference_uri: None, ..release };
    let authentic = read(&plain.envelope(&key).unwrap(), &key).unwrap();
    assert_eq!((authentic.text().unwrap(), authentic.manifest.reference_uri.as_ref()), (None, None));
    // One that is changed after it was installed is not invoked.
    bench.digests.insert(plain.component.clone(), sha256(b"other"));
    let refused = bench.run(&authentic, Procedure::Invocation).unwrap_err();
    assert_eq!(refused.place().unwrap().section, SequenceName::Validate);
    assert!(bench.log.is_empty());
}

#[test]
fn older_manifests_and_other_devices_are_refused() {
    let key = TestKey::new();
    let authentic = read(&release().envelope(&key).unwrap(), &key).unwrap();
    let start = |bench: &Bench, current| {
        Processor::new(authentic.clone(), Procedure::Update, Some(current), bench).map(|_| ())
    };
    assert_eq!(start(&Bench::new(), 6), Ok(()));
    assert_eq!(start(&Bench::new(), 7), Ok(()));
    let lower = ProcessFailed::LowerSequenceNumber { offered: 7, current: 8 };
    assert_eq!(start(&Bench::new(), 8), Err(lower));
    let bench = Bench { components: Vec::new(), ..Bench::new() };
    assert_eq!(start(&bench, 7).unwrap_err().reason(), Reason::ComponentUnsupported);
    let other = Uuid::of_vendor("maker.example");
    for (bench, condition) in [
        (Bench { vendor: other, ..Bench::new() }, "suit-condition-vendor-identifier"),
        (Bench { class: other, ..Bench::new() }, "suit-condition-class-identifier"),
    ] {
        let mut bench = bench;
        let refused = bench.run(&authentic, Procedure::Update).unwrap_err();
        assert!(refused.to_string().starts_with(&format!("{condition} failed")), "{refused}");
        assert!(bench.log.is_empty());
    }
}

#[test]
fn openssl_believes_our_signature() {
    let Some(openssl) = openssl("openssl_believes_our_signature") else { return };
    let key = TestKey::new();
    openssl.write("key.der", key.public().spki_der());
    let payload = b"payload".repeat(6);
    let cose = sign_detached(&payload, &key).unwrap();
    // Tag 18, four parts, {1: -9} protected, {} unprotected, null, 64 bytes.
    assert_eq!(cose[..10], hex("d28443a10128a0f65840"));
    // ["Signature1", {1: -9}, h'', payload of 42 bytes]
    let signed = [hex("846a5369676e61747572653143a1012840582a"), payload].concat();
    openssl.write("signed", &signed);
    openssl.write("signature", ecdsa_der(&cose[10..]));
    openssl.ok("pkey -pubin -inform DER -in key.der -out key.pem");
    openssl.ok("dgst -sha256 -verify key.pem -signature signature signed");
    openssl.write("signed", [signed, vec![0]].concat());
    openssl.fails("dgst -sha256 -verify key.pem -signature signature signed");
}

/// Two numbers of 32 octets as DER.
fn ecdsa_der(fixed: &[u8]) -> Vec<u8> {
    use der::{Encode, asn1::UintRef};
    let number = |octets| UintRef::new(octets).unwrap().to_der().unwrap();
    let both = [number(&fixed[..32]), number(&fixed[32..])].concat();
    [vec![0x30, u8::try_from(both.len()).unwrap()], both].concat()
}

/// CBOR by hand: manifests that no tool of ours would write.
mod by_hand {
    use super::{TestKey, sha256};
    use wire::cose::sign_detached;

    fn head(major: u8, argument: usize) -> Vec<u8> {
        let octets = u32::try_from(argument).unwrap().to_be_bytes();
        match argument {
            0..=23 => vec![major << 5 | octets[3]],
            24..=255 => vec![major << 5 | 24, octets[3]],
            256..=65535 => [&[major << 5 | 25], &octets[2..]].concat(),
            _ => [&[major << 5 | 26], &octets[..]].concat(),
        }
    }

    pub fn bytes(content: &[u8]) -> Vec<u8> {
        [head(2, content.len()), content.to_vec()].concat()
    }

    pub fn text(content: &str) -> Vec<u8> {
        [head(3, content.len()), content.as_bytes().to_vec()].concat()
    }

    pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
        [head(4, items.len()), items.concat()].concat()
    }

    pub fn map(pairs: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let pairs_in_cbor = pairs.iter().map(|(key, value)| [head(0, *key), value.clone()].concat());
        [head(5, pairs.len()), pairs_in_cbor.collect::<Vec<_>>().concat()].concat()
    }

    pub fn uint(number: usize) -> Vec<u8> {
        head(0, number)
    }

    /// A command sequence: each command with its argument.
    pub fn sequence(commands: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let items = commands.iter().flat_map(|(id, argument)| [uint(*id), argument.clone()]);
        bytes(&list(&items.collect::<Vec<_>>()))
    }

    /// Conditions for the draft's device.
    pub fn checks() -> Vec<(usize, Vec<u8>)> {
        let vendor = wire::suit::Uuid::of_vendor("arm.com");
        let ids = map(&[(1, bytes(&vendor.0)), (2, bytes(&vendor.of_class("suit").0))]);
        vec![(20, ids), (1, uint(15)), (2, uint(15))]
    }

    /// A manifest of these components, shared commands, and other members.
    pub fn manifest(components: u8, shared: &[(usize, Vec<u8>)], members: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let components: Vec<_> = (0..components).map(|id| list(&[bytes(&[id])])).collect();
        let common = map(&[(2, list(&components)), (4, sequence(shared))]);
        let first = [(1, uint(1)), (2, uint(1)), (3, bytes(&common))];
        map(&[&first, members].concat())
    }

    pub fn envelope(manifest: &[u8], others: &[Vec<u8>], key: &TestKey) -> Vec<u8> {
        let digest = list(&[vec![0x2f], bytes(&sha256(&bytes(manifest)))]);
        let signature = sign_detached(&digest, key).unwrap();
        let authentication = list(&[bytes(&digest), bytes(&signature)]);
        let start =
            [head(5, 2 + others.len() / 2), uint(2), bytes(&authentication), uint(3), bytes(manifest)];
        [hex_tag(), start.concat(), others.concat()].concat()
    }

    fn hex_tag() -> Vec<u8> {
        vec![0xd8, 107]
    }
}

#[test]
fn the_machine() {
    use by_hand::{bytes, checks, list, manifest, map, sequence, text, uint};
    let key = TestKey::new();
    let check = |name: &str,
                 components: u8,
                 shared: &[(usize, Vec<u8>)],
                 members: &[(usize, Vec<u8>)],
                 expect: &str| {
        let envelope = by_hand::envelope(&manifest(components, shared, members), &[], &key);
        let mut bench = Bench::new();
        let outcome = read(&envelope, &key)
            .map_err(|why| why.to_string())
            .and_then(|authentic| bench.run(&authentic, Procedure::Update).map_err(|why| why.to_string()));
        assert_eq!(outcome.map_or_else(|why| why, |done| done.join("; ")), expect, "{name}");
    };
    let install = |commands: &[(usize, Vec<u8>)]| vec![(20, sequence(commands))];
    let fetch = |uri: &str| [(20, map(&[(21, text(uri))])), (21, uint(2))];
    let digest = map(&[(3, bytes(&list(&[vec![0x2f], bytes(&sha256(b"x"))])))]);
    let ok = [checks(), vec![(20, digest.clone())]].concat();
    let no = || (14, uint(15));
    let write = |content: &str| [(20, map(&[(18, bytes(content.as_bytes()))])), (18, uint(15))];
    let aborted =
        |place: &str| format!("suit-condition-abort failed in {place}: it is not so on this device");

    check("fetches", 1, &ok, &install(&fetch("u")), "fetch [h'00'] u None");
    check(
        "no URI",
        1,
        &ok,
        &install(&[(21, uint(2))]),
        "suit-directive-fetch failed in suit-install at byte 1, component 0: suit-parameter-uri is not set",
    );
    check(
        "no payload",
        1,
        &ok,
        &install(&fetch("#x")),
        "suit-directive-fetch failed in suit-install at byte 7, component 0: the payload is not in the envelope",
    );
    check("nothing to do", 1, &ok, &[], "");
    check("aborts", 1, &ok, &install(&[no()]), &aborted("suit-install at byte 1, component 0"));
    check(
        "no vendor",
        1,
        &ok[2..],
        &install(&[]),
        "the shared sequence can be passed without suit-condition-vendor-identifier",
    );
    check(
        "no class",
        1,
        &ok[..2],
        &install(&[]),
        "the shared sequence can be passed without suit-condition-class-identifier",
    );
    let acting = [ok.clone(), vec![(23, uint(2))]].concat();
    check(
        "acts in shared",
        1,
        &acting,
        &[],
        "suit-directive-invoke stands in the shared sequence, which only checks and sets",
    );
    check(
        "unset",
        1,
        &[vec![(2, uint(15)), (1, uint(15))], ok.clone()].concat(),
        &install(&[]),
        "suit-condition-class-identifier failed in suit-shared-sequence at byte 1, component 0: \
         suit-parameter-class-identifier is not set",
    );

    // Try-each: the first that succeeds, none, an empty one, one that insists.
    let tries = |sequences: &[Vec<u8>]| (15, list(sequences));
    let (first, second) = (sequence(&[&write("a")[..], &[no()]].concat()), sequence(&write("bb")));
    check(
        "second",
        1,
        &ok,
        &install(&[tries(&[first.clone(), second.clone(), first.clone()])]),
        "write [h'00'] 1; write [h'00'] 2",
    );
    check(
        "none",
        1,
        &ok,
        &install(&[tries(&[sequence(&[no()]), sequence(&[no()])])]),
        &aborted("suit-install at byte 9, component 0"),
    );
    check("empty", 1, &ok, &install(&[tries(&[sequence(&[no()]), vec![0xf6]])]), "");
    check(
        "nothing to try",
        1,
        &ok,
        &install(&[tries(&[])]),
        "suit-directive-try-each failed in suit-install at byte 1, component 0: there is no sequence to try",
    );
    let soft = |value: bool| (20, map(&[(13, vec![if value { 0xf5 } else { 0xf4 }])]));
    check(
        "insists",
        1,
        &ok,
        &install(&[tries(&[sequence(&[soft(false), no()]), second.clone()])]),
        &aborted("suit-install at byte 9, component 0"),
    );
    check(
        "a directive's failure is final",
        1,
        &ok,
        &install(&[tries(&[sequence(&[(21, uint(2))]), second.clone()])]),
        "suit-directive-fetch failed in suit-install at byte 5, component 0: suit-parameter-uri is not set",
    );
    check(
        "tries in tries",
        1,
        &ok,
        &install(&[tries(&[sequence(&[tries(&[sequence(&[no()])])]), second.clone()])]),
        "write [h'00'] 2",
    );

    // Run-sequence: fails as its condition did, unless it is soft.
    let after = write("bb");
    check(
        "runs",
        1,
        &ok,
        &install(&[&[(32, first.clone())], &after[..]].concat()),
        &aborted("suit-install at byte 12, component 0"),
    );
    check(
        "runs softly",
        1,
        &ok,
        &install(&[&[(32, sequence(&[soft(true), no()]))], &after[..]].concat()),
        "write [h'00'] 2",
    );
    check(
        "softness is not inherited",
        1,
        &ok,
        &install(&[(32, sequence(&[soft(true), (32, sequence(&[no()]))]))]),
        "",
    );
    check(
        "soft at the top",
        1,
        &ok,
        &install(&[soft(true)]),
        "suit-directive-override-parameters failed in suit-install at byte 1, component 0: \
         suit-parameter-soft-failure may not be set here",
    );

    // Vendor and class are checked on every way through the shared sequence, not on one of them.
    let (vendor, class, nothing) = ((1, uint(15)), (2, uint(15)), vec![0xf6]);
    let only = |command: &(usize, Vec<u8>)| sequence(std::slice::from_ref(command));
    let both = sequence(&[vendor.clone(), class.clone()]);
    let tried = tries(std::slice::from_ref(&both));
    let of_slot = |slot: usize| sequence(&[(20, map(&[(5, uint(slot))])), (5, uint(15)), vendor.clone()]);
    let lacks_vendor = "the shared sequence can be passed without suit-condition-vendor-identifier";
    let lacks_class = "the shared sequence can be passed without suit-condition-class-identifier";
    for (name, checks, expect) in [
        ("vendor or nothing", vec![tries(&[only(&vendor), nothing.clone()]), class.clone()], lacks_vendor),
        ("nothing or vendor", vec![tries(&[nothing.clone(), only(&vendor)]), class.clone()], lacks_vendor),
        ("vendor or class", vec![tries(&[only(&vendor), only(&class)])], lacks_vendor),
        ("both or vendor", vec![tries(&[both.clone(), only(&vendor)])], lacks_class),
        ("vendor in either slot", vec![tries(&[of_slot(1), of_slot(0)]), class.clone()], ""),
        ("both in the one way", vec![tried.clone()], ""),
        ("both or no way", vec![tries(&[both.clone(), sequence(&[tries(&[])])])], ""),
        ("deep in one", vec![tries(&[sequence(&[tries(&[both.clone(), nothing])])])], lacks_vendor),
        ("deep in all", vec![tries(&[both.clone(), only(&tried)])], ""),
        ("run", vec![(32, both.clone())], ""),
        ("run softly", vec![(32, sequence(&[soft(true), vendor.clone()])), class.clone()], lacks_vendor),
        ("run firmly in a soft one", vec![(32, sequence(&[soft(true), (32, both)]))], lacks_vendor),
        ("run firmly", vec![(32, sequence(&[soft(false), vendor.clone()])), class], ""),
    ] {
        check(name, 1, &[&ok[..1], &checks].concat(), &[], expect);
    }

    // Components: one, some, all; each with its own parameters.
    let index = |value: Vec<u8>| (12, value);
    let all = index(vec![0xf5]);
    let shared = [vec![all.clone()], ok.clone()].concat();
    let each = [vec![all.clone()], fetch("u").to_vec()].concat();
    check(
        "all",
        3,
        &shared,
        &install(&each),
        "fetch [h'00'] u None; fetch [h'01'] u None; fetch [h'02'] u None",
    );
    let some = [&[index(list(&[uint(2), uint(0)]))], &write("a")[..]].concat();
    check("some", 3, &shared, &install(&some), "write [h'02'] 1; write [h'00'] 1");
    let run = [all.clone(), (32, sequence(&write("a")))];
    check("runs for each", 2, &shared, &install(&run), "write [h'00'] 1; write [h'01'] 1");
    let try_slot = sequence(&[&[(20, map(&[(5, uint(1))])), (5, uint(15))], &write("a")[..]].concat());
    let to_slot = sequence(&[&[(20, map(&[(5, uint(0))])), (5, uint(15))], &write("bb")[..]].concat());
    check(
        "tries for each",
        2,
        &shared,
        &install(&[all.clone(), tries(&[try_slot, to_slot])]),
        "write [h'00'] 2; write [h'01'] 2",
    );
    check(
        "another slot",
        1,
        &ok,
        &install(&[&[(20, map(&[(5, uint(1))]))], &write("a")[..]].concat()),
        "suit-directive-write failed in suit-install at byte 10, component 0: \
         suit-parameter-component-slot names another slot than this",
    );
    let copy = [index(uint(1)), (20, map(&[(22, uint(0))])), (22, uint(2))];
    check(
        "an empty source",
        2,
        &shared,
        &install(&copy),
        "suit-directive-copy failed in suit-install at byte 7, component 1: the source is empty",
    );
    let swap = [index(uint(1)), (20, map(&[(22, uint(0))])), (31, uint(2))];
    check(
        "what a device cannot",
        2,
        &shared,
        &install(&swap),
        "suit-directive-swap failed in suit-install at byte 7, component 1: this device does not swap components",
    );
    check(
        "no such source",
        1,
        &ok,
        &install(&[(20, map(&[(22, uint(9))])), (22, uint(2))]),
        "suit-directive-copy failed in suit-install at byte 5, component 0: there is no component 9",
    );
    check(
        "no index",
        2,
        &shared,
        &install(&write("a")),
        "suit-install does not begin with suit-directive-set-component-index",
    );
    check(
        "beyond",
        1,
        &ok,
        &install(&[index(uint(1))]),
        "suit-install sets a component index that is not in suit-components",
    );

    // Conditions.
    let version = |kind, numbers: &[usize]| {
        let numbers: Vec<_> = numbers.iter().map(|it| uint(*it)).collect();
        [(20, map(&[(28, bytes(&list(&[uint(kind), list(&numbers)])))])), (28, uint(15))]
    };
    check("new enough", 1, &ok, &install(&version(2, &[1, 2])), "");
    check(
        "too old",
        1,
        &ok,
        &install(&version(1, &[1, 3])),
        "suit-condition-version failed in suit-install at byte 11, component 0: it is not so on this device",
    );
    check(
        "another device",
        1,
        &ok,
        &install(&[(20, map(&[(24, bytes(&[7; 16]))])), (24, uint(15))]),
        "suit-condition-device-identifier failed in suit-install at byte 22, component 0: \
         it is not so on this device",
    );
    check(
        "an empty component",
        1,
        &ok,
        &install(&[(3, uint(15))]),
        "suit-condition-image-match failed in suit-install at byte 1, component 0: it is not so on this device",
    );

    // What is not known is refused by its name before anything is done.
    let late = |last: (usize, Vec<u8>)| install(&[&write("a")[..], &[last]].concat());
    check("a command", 1, &ok, &late((99, uint(0))), "command 99 is not supported by this device");
    check(
        "a parameter",
        1,
        &ok,
        &late((20, map(&[(99, uint(0))]))),
        "parameter 99 is not supported by this device",
    );
    check(
        "any order",
        1,
        &ok,
        &late((20, map(&[(12, vec![0xf4])]))),
        "suit-parameter-strict-order false is not supported by this device",
    );
    check(
        "SHA-512",
        1,
        &ok,
        &late((20, map(&[(3, bytes(&list(&[vec![0x38, 43], bytes(&[0; 64])])))]))),
        "the digest algorithm -44 is not supported by this device; SHA-256 (-16) is",
    );

    // Limits.
    let many = vec![no(); limits::SUIT_COMMANDS_MAX];
    check(
        "many commands",
        1,
        &ok,
        &install(&many),
        "suit-install is malformed: byte 2043: another item was expected: at most 1024 commands",
    );
    let nested =
        (1..limits::SUIT_SEQUENCE_LEVELS_MAX).fold(vec![no()], |inner, _| vec![(32, sequence(&inner))]);
    check("not too deep", 1, &ok, &install(&nested), &aborted("suit-install at byte 30, component 0"));
    check(
        "deep",
        1,
        &ok,
        &install(&[(32, sequence(&nested))]),
        "suit-install is malformed: byte 34: another item was expected: at most 8 levels of sequences",
    );
    let loops = (0..7).fold(vec![(20, map(&[]))], |inner, _| vec![all.clone(), (32, sequence(&inner))]);
    check(
        "loops over loops",
        3,
        &[vec![all.clone()], ok.clone()].concat(),
        &install(&loops),
        "the procedure takes more than 4096 steps",
    );
}

#[test]
fn integrated_payloads_and_what_nobody_signed() {
    use by_hand::{bytes, checks, list, manifest, map, sequence, text, uint};
    let key = TestKey::new();
    let digest = (20, map(&[(3, bytes(&list(&[vec![0x2f], bytes(&sha256(b"payload"))])))]));
    let install = sequence(&[(20, map(&[(21, text("#x"))])), (21, uint(2)), (3, uint(15))]);
    let manifest = manifest(1, &[checks(), vec![digest]].concat(), &[(20, install)]);
    let run = |others: &[Vec<u8>]| {
        let authentic =
            read(&by_hand::envelope(&manifest, others, &key), &key).map_err(|why| why.to_string())?;
        Bench::new().run(&authentic, Procedure::Update).map_err(|why| why.to_string())
    };
    assert_eq!(run(&[text("#x"), bytes(b"payload")]).unwrap(), ["write [h'00'] 7"]);
    assert!(
        run(&[text("#x"), bytes(b"PAYLOAD")]).unwrap_err().starts_with("suit-condition-image-match failed")
    );
    assert_eq!(
        run(&[uint(23), bytes(&map(&[]))]).unwrap_err(),
        "member 23 of the SUIT envelope is covered by no digest of the manifest"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Authors err too: whatever is signed is read and run without a panic.
    #[test]
    fn damaged_before_it_was_signed(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        use by_hand::{bytes, list, map, sequence, text, uint};
        let tries = list(&[sequence(&[(14, uint(15))]), sequence(&[(20, map(&[(21, text("u"))])), (21, uint(2))])]);
        let run = sequence(&[(12, uint(0)), (20, map(&[(18, bytes(b"x")), (22, uint(1))])), (18, uint(0)), (22, uint(0))]);
        let install = sequence(&[(12, vec![0xf5]), (15, tries), (32, run), (3, uint(15))]);
        let shared = [vec![(12, vec![0xf5])], by_hand::checks()].concat();
        let mut manifest = by_hand::manifest(2, &shared, &[(4, text("u")), (9, sequence(&[(23, uint(2))])), (20, install)]);
        for (index, value) in damage {
            let position = index.index(manifest.len());
            manifest[position] = value;
        }
        let key = TestKey::new();
        if let Ok(authentic) = read(&by_hand::envelope(&manifest, &[], &key), &key) {
            let mut bench = Bench::new();
            let _ = bench.run(&authentic, Procedure::Update);
            let _ = bench.run(&authentic, Procedure::Invocation);
        }
    }
}
