//! Readers that take nothing keep nobody from the disk.

use std::fs::File;

use http_body_util::BodyExt;
use io::http::body::FileBody;
use std::time::Duration;

const BYTES: u64 = 1024 * 1024;
/// Threads of this test's runtime that may block.
const THREADS: usize = 4;
/// Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn slow_readers_leave_the_disk_to_others() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime =
        runtime.worker_threads(2).max_blocking_threads(THREADS).enable_all().build().expect("starts");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    let image: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    std::fs::write(&path, &image).expect("written");
    let open = || File::open(&path).expect("opens");
    runtime.block_on(async {
        // Each took a piece, and takes no more.
        let mut slow: Vec<_> = (0..2 * THREADS).map(|_| FileBody::new(open(), BYTES, ())).collect();
        for body in &mut slow {
            let piece = tokio::time::timeout(PATIENCE, body.frame()).await.expect("its turn comes");
            assert!(piece.is_some_and(|piece| piece.is_ok()));
        }
        let other = FileBody::new(open(), BYTES, ()).collect();
        let taken =
            tokio::time::timeout(PATIENCE, other).await.expect("nobody is in the way").expect("reads");
        assert_eq!(taken.to_bytes(), image);
        drop(slow);
    });
}

#[test]
fn a_file_that_became_shorter_breaks_off() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    std::fs::write(&path, b"abc").expect("written");
    let body = FileBody::new(File::open(&path).expect("opens"), 4, ());
    assert!(runtime.block_on(body.collect()).is_err());
    let body = FileBody::new(File::open(&path).expect("opens"), 2, ());
    assert_eq!(runtime.block_on(body.collect()).expect("reads").to_bytes(), b"ab".as_slice());
}
