//! A folder of blobs.
use io::blobs::{BlobError, BlobFolder};
use std::fs;

// Computed with sha256sum: of "abc", and of nothing.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn put(folder: &BlobFolder, digest: &str, pieces: &[&str], bytes_max: u64) -> Result<u64, BlobError> {
    let mut incoming = folder.begin(digest, bytes_max)?;
    pieces.iter().try_for_each(|piece| incoming.write(piece.as_bytes()))?;
    incoming.finish()
}

fn names(folder: &BlobFolder) -> Vec<String> {
    let mut names = Vec::new();
    folder.each(|name| names.push(name)).expect("a list");
    names.sort();
    names
}

#[test]
fn a_blob_is_what_its_name_says() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("blobs");
    let folder = BlobFolder::open(&path).expect("open");
    assert_eq!(put(&folder, ABC, &["a", "", "bc"], 3).expect("kept"), 3);
    assert_eq!(put(&folder, ABC, &["abc"], 3).expect("kept again"), 3);
    assert_eq!(put(&folder, NOTHING, &[], 0).expect("kept"), 0);
    assert_eq!(folder.read(ABC, 3).expect("read"), b"abc");
    assert!(matches!(folder.read(ABC, 2), Err(BlobError::File(_))));
    assert_eq!(BlobFolder::to_look_into(&path).verify(ABC).expect("verified"), 3);
    let differs = put(&folder, NOTHING, &["abc"], 3);
    assert!(matches!(differs, Err(BlobError::DigestDiffers { .. })), "{differs:?}");
    assert_eq!(folder.read(NOTHING, 3).expect("the old one stands"), b"");
    let large = put(&folder, ABC, &["ab", "cd"], 3);
    assert!(matches!(large, Err(BlobError::TooLarge { bytes_max: 3 })), "{large:?}");
    assert_eq!(names(&folder), [ABC, NOTHING]);
    fs::write(path.join(ABC), "abd").expect("damaged");
    assert!(matches!(folder.read(ABC, 3), Err(BlobError::DigestDiffers { .. })));
    assert!(matches!(folder.verify(ABC), Err(BlobError::DigestDiffers { .. })));
    folder.remove(ABC).expect("removed");
    assert!(matches!(folder.verify(ABC), Err(BlobError::File(why)) if why.is_missing()));
    folder.remove(ABC).expect("removed already");
    assert_eq!(names(&folder), [NOTHING]);
}

/// What a crash leaves at each step: nothing, an unfinished file, a whole file.
#[test]
fn a_crash_leaves_a_whole_blob_or_none() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = BlobFolder::open(home.path()).expect("open");
    for pieces in 0..3 {
        let mut crashed = folder.begin(ABC, 3).expect("begun");
        ["a", "b", "c"][..pieces].iter().for_each(|p| crashed.write(p.as_bytes()).expect("written"));
        std::mem::forget(crashed);
        assert_eq!(fs::read_dir(home.path()).expect("a list").count(), 1);
        let again = BlobFolder::open(home.path()).expect("open");
        assert_eq!(names(&again), Vec::<String>::new(), "after {pieces} pieces");
    }
    put(&folder, ABC, &["abc"], 3).expect("kept");
    assert_eq!(names(&BlobFolder::open(home.path()).expect("open")), [ABC]);
}
