//! A URL of http or https, and targets put in its place.
use io::http::url::Url;

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = ["https://hub.example:9443/a?b=c", "http://127.0.0.1", "https://[2001:db8::1]:443/", "HTTPS://A.example?x"];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(url) = Url::parse(text) else {
        let _ = Url::parse("https://hub.example").expect("a URL").with_target(text);
        return;
    };
    assert_eq!(Url::parse(&url.to_string()).as_ref(), Ok(&url), "{url}");
    assert!(url.same_server(&url.with_target("/other").expect("a path")));
    assert_eq!(url.with_target(url.target()).as_ref(), Ok(&url));
}
