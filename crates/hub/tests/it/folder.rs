//! The hub's folder, as earlier versions left it.
use crate::est::TOOLS;
use crate::support::{have, run};
use fleet::time::Millis;
use hub::folder::Folder;
use wire::Certificate;

const NOW: Millis = Millis(1_780_000_000_000);

/// Signers whose certificates name no purpose are renewed under their keys, and the author has the key that
/// the devices of such a folder trust.
#[test]
fn signers_of_an_earlier_version_are_renewed() {
    if !have("folder::signers_of_an_earlier_version", TOOLS) {
        return;
    }
    let place = tempfile::tempdir().expect("a place");
    let path = place.path().join("hub");
    let open = || Folder::open(&path, "main", NOW).expect("a folder");
    let folder = open();
    let (masa, signer) = (folder.masa(NOW).expect("made"), folder.signer(NOW).expect("made"));
    drop(folder);
    for file in ["masa", "signer"] {
        let before = format!(
            "x509 -req -in {file}.csr -CA factory.pem -CAkey factory.key -days 700 -out {file}.pem -extfile old.cnf"
        );
        std::fs::write(path.join("old.cnf"), "keyUsage=critical,digitalSignature\n").expect("written");
        let request = format!("req -new -key {file}.key -subj /CN={file} -out {file}.csr");
        for words in [request, before] {
            run(&path, "openssl", &words.split(' ').collect::<Vec<_>>());
        }
        let old = std::fs::read_to_string(path.join(format!("{file}.pem"))).expect("a file");
        assert_eq!(Certificate::from_pem(&old).expect("a certificate").key_purposes(), None);
    }
    let folder = open();
    let author = folder.author(NOW).expect("made");
    let (new_masa, new_signer) = (folder.masa(NOW).expect("kept"), folder.signer(NOW).expect("kept"));
    for (old, new) in [(&masa, &new_masa), (&signer, &new_signer), (&signer, &author)] {
        assert_eq!(old.certificate.public_key(), new.certificate.public_key());
        assert!(new.certificate.key_purposes().is_some());
    }
    let again = folder.author(NOW).expect("kept");
    assert_eq!(again.certificate, author.certificate);

    // In a new folder the author has a key of its own.
    let young = Folder::open(&place.path().join("young"), "main", NOW).expect("a folder");
    let (author, signer) = (young.author(NOW).expect("made"), young.signer(NOW).expect("made"));
    assert_ne!(author.certificate.public_key(), signer.certificate.public_key());
}
