//! How a description is fetched and verified: the file, then its signature, then both are kept.
use super::lines::lines;
use super::rules::{Failure, Verified};
use super::view::{Settle, Work};
use crate::door::{Answer, Outgoing, Reply, Step};
use crate::limits::DESCRIPTION_WHY_BYTES_MAX;
use crate::refusal::{Refusal, Sort};
use crate::text::Digest;
use crate::time::Millis;
use wire::Certificate;
use wire::limits::{CMS_BYTES_MAX, MUD_FILE_BYTES_MAX};
use wire::mud::{MEDIA_TYPE, MudFile, SIGNATURE_MEDIA_TYPE, authority, check_signature};

/// Whom to believe, and for what.
struct Job {
    work: Work,
    anchor: Certificate,
    servers: Vec<Certificate>,
    now: Millis,
}

/// A file on its way.
struct Fetched {
    job: Job,
    bytes: Vec<u8>,
    file: MudFile,
}

type Outcome<T> = Result<T, Failure>;

/// What it takes to fetch and verify what `work` names.
pub fn fetch(work: Work, now: Millis) -> Step {
    let trust = Certificate::from_pem(&work.anchor).and_then(|anchor| {
        let servers = Certificate::list_from_pem(&work.servers)?;
        Ok((anchor, servers))
    });
    let Ok((anchor, servers)) = trust else {
        let why = "the maker is not trusted (any more), so nobody vouches for its servers and signers";
        return settle(work, Err(failure("anchor-removed", why)));
    };
    let outgoing = get(&work.mud_url, MEDIA_TYPE, &servers, MUD_FILE_BYTES_MAX);
    let job = Job { work, anchor, servers, now };
    ask(outgoing, job, |job, body| match read(&job, &body) {
        Ok((file, signature)) => fetch_signature(Fetched { job, bytes: body, file }, &signature),
        Err(failure) => settle(job.work, Err(failure)),
    })
}

/// RFC 8520 section 1.6: by GET, with the media type. Its Accept-Language and User-Agent are left out: they
/// would tell the server more than it needs.
fn get(url: &str, accept: &'static str, servers: &[Certificate], reply_bytes_max: usize) -> Box<Outgoing> {
    let (url, servers) = (url.to_string(), servers.to_vec());
    Box::new(Outgoing { url, servers, accept, content: None, reply_bytes_max })
}

fn ask(outgoing: Box<Outgoing>, job: Job, then: impl FnOnce(Job, Vec<u8>) -> Step + Send + 'static) -> Step {
    let url = outgoing.url.clone();
    let replied = move |reply: Result<Reply, Refusal>| match reply {
        Ok(Reply { status: 200, body, .. }) => then(job, body),
        Ok(Reply { status, .. }) => {
            let why = format!("{url} was answered with status {status} (RFC 8520 section 1.6)");
            settle(job.work, Err(failure("not-answered", why)))
        }
        Err(refusal) => {
            let why = format!("{url} (RFC 8520 section 1.6): {}", refusal.detail);
            settle(job.work, Err(failure(refusal.code, why)))
        }
    };
    Step::Ask(outgoing, Box::new(replied))
}

/// The file, and where its signature is.
fn read(job: &Job, body: &[u8]) -> Outcome<(MudFile, String)> {
    let file = MudFile::from_json(body)
        .map_err(|why| failure("file-refused", format!("the maker's file: {why}")))?;
    if file.mud_url != job.work.mud_url {
        let why = format!(
            "the file says that it is {} and was fetched as {} (RFC 8520 section 3.2)",
            file.mud_url, job.work.mud_url
        );
        return Err(failure("another-mud-url", why));
    }
    match file.mud_signature.clone() {
        Some(url) if authority(&url).is_some() => Ok((file, url)),
        Some(url) => {
            let why = format!("the file's mud-signature {url} is no https URL (RFC 8520 section 13.2)");
            Err(failure("no-signature", why))
        }
        None => {
            let why = "the file names no mud-signature, so it cannot be verified (RFC 8520 section 13.2)";
            Err(failure("no-signature", why))
        }
    }
}

fn fetch_signature(fetched: Fetched, url: &str) -> Step {
    let Fetched { job, bytes, file } = fetched;
    let outgoing = get(url, SIGNATURE_MEDIA_TYPE, &job.servers, CMS_BYTES_MAX);
    ask(outgoing, job, move |job, signature| match signer(&job, &bytes, &signature) {
        Ok(signer) => keep(Fetched { job, bytes, file }, signature, signer),
        Err(failure) => settle(job.work, Err(failure)),
    })
}

/// RFC 8520 section 13.2.
fn signer(job: &Job, file: &[u8], signature: &[u8]) -> Outcome<String> {
    let anchors = std::slice::from_ref(&job.anchor);
    let verified = check_signature(file, signature, anchors, None, job.now.0)
        .map_err(|why| failure("signature-refused", format!("the maker's signature: {why}")))?;
    Ok(verified.signer.subject().to_string())
}

fn keep(fetched: Fetched, signature: Vec<u8>, signer: String) -> Step {
    let Fetched { job: Job { work, .. }, bytes, file } = fetched;
    let lines = lines(&file);
    let verified = move |file_digest: Digest, signature: Digest| Verified {
        file: file_digest.to_string(),
        signature: signature.to_string(),
        signer,
        last_update: Millis(file.last_update),
        cache_validity_hours: file.cache_validity_hours,
        is_supported: file.is_supported,
        systeminfo: file.systeminfo.unwrap_or_default(),
        lines,
    };
    let both = move |kept: Result<Digest, Refusal>| match kept {
        Ok(file) => Step::Keep(
            signature,
            Box::new(move |kept| match kept {
                Ok(signature) => settle(work, Ok(verified(file, signature))),
                Err(refusal) => refusal.into(),
            }),
        ),
        // The disk is to blame and not the file: it is tried again.
        Err(refusal) => refusal.into(),
    };
    Step::Keep(bytes, Box::new(both))
}

fn failure(code: &str, why: impl ToString) -> Failure {
    let mut why = why.to_string();
    why.truncate(why.floor_char_boundary(DESCRIPTION_WHY_BYTES_MAX));
    Failure { code: code.into(), why }
}

fn settle(work: Work, outcome: Outcome<Verified>) -> Step {
    let call = Settle { maker: work.maker, mud_url: work.mud_url, outcome };
    Step::Run(
        Box::new(call),
        Box::new(|settled| match settled {
            Ok(_) => Step::Answer(Answer::text(200, "settled")),
            Err(refusal) if refusal.sort == Sort::NotFound => Step::Answer(Answer::text(200, "forgotten")),
            Err(refusal) => refusal.into(),
        }),
    )
}
