//! A gate: `steward gate run` on the router of a site fetches the plans of its devices and enforces them, also
//! while its hub is away.
use crate::control::{DEVICE, Scene};
use crate::lab::Lab;
use crate::nat::serve;
use crate::support::{Hub, PATIENCE, Process, program, skip};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The gate, by the name that it gets when it joins.
const GATE: &str = "lumen-gate-0001";

/// Starts `steward gate run` or `steward agent`.
fn start(lab: &Lab, part: &str, words: &[&str], registrar: &str, folder: &Path) -> Process {
    let mut command = program();
    command.args(words).args(["--at-once", "--registrar", registrar, "--data"]).arg(folder);
    lab.start(part, command.stderr(Stdio::null()))
}

/// Waits until the device reaches `server`, or does not any more.
fn until_reached(lab: &Lab, server: SocketAddr, reached: bool) {
    let end = Instant::now() + PATIENCE;
    while lab.within("site", || TcpStream::connect_timeout(&server, Duration::from_millis(300)).is_ok())
        != reached
    {
        assert!(Instant::now() < end, "{server} is reached: {}", !reached);
    }
}

fn lab() -> Result<Lab, String> {
    let lab = Lab::new("gate")?;
    lab.ip("hub", "address add 198.51.100.9/24 dev eth0")?;
    lab.ip("hub", "route add 192.0.2.0/24 via 198.51.100.1")?;
    lab.nft("list ruleset")?;
    Ok(lab)
}

#[test]
fn a_gate_enforces_its_sites_plans_also_without_its_hub() {
    let lab = match lab() {
        Ok(lab) => lab,
        Err(why) => return skip("a_gate_enforces_its_sites_plans_also_without_its_hub", &why),
    };
    lab.enter("hub");
    let others = TcpListener::bind("198.51.100.9:0").unwrap();
    let server = others.local_addr().unwrap();
    std::thread::spawn(move || others.incoming().for_each(drop));
    let (folder, gate_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut hub = program();
    serve(&mut hub).arg("--data").arg(folder.path().join("hub"));
    let mut scene = Scene::at(Hub::with(hub, folder));
    scene.bear_into(gate_folder.path(), "gate-0001");
    let registrar = scene.hub.ready["devices"].as_str().unwrap().to_owned();
    let _lamp = start(&lab, "site", &["agent"], &registrar, scene.device.path());
    let mut gate = start(&lab, "gate", &["gate", "run"], &registrar, gate_folder.path());
    scene.until("configuration/show", |shown| shown["applied"] == 1);
    let end = Instant::now() + PATIENCE;
    while scene.hub.json(&["device", "list", "--stage", "operational"])["items"].as_array().unwrap().len() < 2
    {
        assert!(Instant::now() < end, "the gate did not join");
    }
    let refused = scene.hub.run(&["gate", "dismiss", GATE, "--why", "a test", "--json"]).exits(1).json();
    assert_eq!(refused["code"], "not-a-gate");
    scene.hub.run(&["gate", "appoint", GATE]).exits(0);
    scene.hub.run(&["access", "locate", DEVICE, "--addresses", "192.0.2.2"]).exits(0);
    until_reached(&lab, server, true);

    // Held, it reaches its hub and nobody else.
    let hold = ["quarantine", "hold", DEVICE, "--level", "isolated", "--why", "a test"];
    let begin = Instant::now();
    scene.hub.run(&hold).exits(0);
    until_reached(&lab, server, false);
    println!("from `quarantine hold` to a kernel that drops: {:?}", begin.elapsed());
    scene.set("{\"interval\":5}", "5");
    scene.until("configuration/show", |shown| shown["applied"] == 2);
    scene.hub.run(&["quarantine", "release", DEVICE, "--why", "a test"]).exits(0);
    until_reached(&lab, server, true);
    scene.hub.run(&hold).exits(0);
    until_reached(&lab, server, false);

    // The hub is away, and the gate starts anew in a kernel that has forgotten everything.
    scene.hub.process.signal("-TERM");
    assert_eq!(scene.hub.process.ended(), Some(0));
    gate.signal("-TERM");
    assert_eq!(gate.ended(), Some(0));
    lab.nft("delete table inet steward").unwrap();
    until_reached(&lab, server, true);
    let mut gate = start(&lab, "gate", &["gate", "run"], &registrar, gate_folder.path());
    until_reached(&lab, server, false);
    gate.signal("-TERM");
    assert_eq!(gate.ended(), Some(0));
}
