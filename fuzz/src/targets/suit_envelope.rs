//! A SUIT envelope (draft-ietf-suit-manifest-37) by whoever made it.
use crate::sample::WORLD;
use wire::suit::{ComponentId, Envelope, Release, Text, Uuid};

pub fn seeds() -> Vec<Vec<u8>> {
    let vendor_id = Uuid::of_vendor("maker.example");
    let release = |reference_uri, text| Release {
        sequence_number: 2,
        component: ComponentId(vec![b"firmware".to_vec()]),
        vendor_id,
        class_id: vendor_id.of_class("lamp"),
        image_digest: [7; 32],
        image_size: 7,
        uri: "https://maker.example/image".into(),
        reference_uri,
        text,
    };
    let uri = Some("https://maker.example/manifest".to_owned());
    let all = [release(None, None), release(uri, Some(Text::default()))];
    all.map(|release| release.envelope(&WORLD.author.key).expect("signed")).to_vec()
}

pub fn run(input: &[u8]) {
    let Ok(envelope) = Envelope::from_cbor(input) else { return };
    let authentic = envelope.clone().authenticate(&[WORLD.author.key.public()]);
    assert_eq!(envelope.authenticate(&[WORLD.author.key.public()]), authentic);
    match authentic {
        Ok(authentic) => super::suit_manifest::process(&authentic),
        Err(why) => drop((why.to_string(), why.reason())),
    }
}
