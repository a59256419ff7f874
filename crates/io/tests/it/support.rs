//! What the tests share.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Says that a test could not run, and why; a run that allows no skips reads the file.
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIP {name}: {why}");
    let Some(path) = std::env::var_os("STEWARD_SKIPS") else {
        return;
    };
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the file of skips opens");
    writeln!(file, "SKIP {name}: {why}").expect("the file of skips is written");
}

/// Whether `program` is on the machine; if not, the test `name` is skipped.
pub fn has(name: &str, program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|o| o.status.success());
    if !found {
        skip(name, &format!("{program} is not installed"));
    }
    found
}

/// Runs `openssl` with `arguments` in `folder` and returns what it printed.
pub fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let done = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl runs");
    assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// A CA in a temporary folder, and what it signs; made by openssl.
pub struct Pki {
    pub folder: tempfile::TempDir,
}

/// Extensions of a certificate for `localhost`.
pub const SERVER: &[&str] = &[
    "basicConstraints=critical,CA:FALSE",
    "extendedKeyUsage=serverAuth",
    "subjectAltName=DNS:localhost,IP:127.0.0.1",
];

/// Extensions as in an 802.1AR identity: a HardwareModuleName that webpki does not know, and (by
/// [`Pki::leaf`]) an end that never comes.
pub const DEVICE: &[&str] = &[
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "subjectAltName=otherName:1.3.6.1.5.5.7.8.4;SEQUENCE:hardware",
];

impl Pki {
    /// A new CA: `ca.pem`, `ca.key`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = "[req]\ndistinguished_name=dn\n[dn]\n\
            [ca]\ndatabase=index\nserial=serial\nunique_subject=no\nnew_certs_dir=.\npolicy=any\ndefault_md=sha256\n\
            [any]\ncommonName=supplied\n";
        std::fs::write(folder.path().join("conf"), config).expect("written");
        let pki = Self { folder };
        pki.key("ca");
        pki.run(&[
            "req",
            "-config",
            "conf",
            "-x509",
            "-new",
            "-key",
            "ca.key",
            "-subj",
            "/CN=ca",
            "-days",
            "30",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-out",
            "ca.pem",
        ]);
        pki
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self, arguments: &[&str]) -> Vec<u8> {
        openssl(self.folder.path(), arguments)
    }

    fn key(&self, name: &str) {
        let (curve, out) = ("ec_paramgen_curve:P-256", format!("{name}.key"));
        self.run(&["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", &out]);
    }

    /// A certificate and key of this name: `NAME.pem`, `NAME.key`.
    pub fn leaf(&self, name: &str, extensions: &[&str]) -> io::tls::Identity {
        self.key(name);
        let (key, csr, out, ext) =
            (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"), format!("{name}.ext"));
        let subject = format!("/CN={name}");
        self.run(&["req", "-config", "conf", "-new", "-key", &key, "-subj", &subject, "-out", &csr]);
        let mut text = extensions.join("\n");
        text.push_str("\n[hardware]\ntype=OID:1.3.6.1.4.1.32473.1\n");
        text.push_str("serial=FORMAT:HEX,OCTETSTRING:1122\n");
        std::fs::write(self.path(&ext), text).expect("written");
        std::fs::write(self.path("index"), "").expect("written");
        self.run(&[
            "ca",
            "-config",
            "conf",
            "-name",
            "ca",
            "-batch",
            "-notext",
            "-rand_serial",
            "-cert",
            "ca.pem",
            "-keyfile",
            "ca.key",
            "-in",
            &csr,
            "-out",
            &out,
            "-extfile",
            &ext,
            "-enddate",
            "99991231235959Z",
        ]);
        io::tls::Identity { chain: vec![self.der(name)], signer: self.signer(name) }
    }

    /// The certificate `name` in DER.
    pub fn der(&self, name: &str) -> Vec<u8> {
        self.run(&["x509", "-in", &format!("{name}.pem"), "-outform", "DER"])
    }

    /// The key `name`.
    pub fn signer(&self, name: &str) -> std::sync::Arc<dyn wire::Signer> {
        let path = self.path(&format!("{name}.key"));
        std::sync::Arc::new(io::FileKey::open(&path).expect("the key opens"))
    }
}

/// Shows one public key and signs with another: somebody who has only copied a certificate.
pub struct Thief {
    pub shown: std::sync::Arc<dyn wire::Signer>,
    pub used: std::sync::Arc<dyn wire::Signer>,
}

impl wire::Signer for Thief {
    fn public_point(&self) -> [u8; 65] {
        self.shown.public_point()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, wire::SignerFailed> {
        self.used.sign(message)
    }
}
