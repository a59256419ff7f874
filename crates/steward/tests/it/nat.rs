//! A device behind address translation: `steward serve` on one side of a router, `steward agent` on the other,
//! and nobody can reach the device through it.
use crate::control::{DEVICE, Scene};
use crate::lab::Lab;
use crate::support::{Hub, program, skip};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

/// `steward serve` where the hub is.
pub fn serve(command: &mut Command) -> &mut Command {
    let words = ["--listen", "198.51.100.2:0", "--listen-devices", "198.51.100.2:0"];
    command.arg("serve").args(words).env("STEWARD_LOG", "off")
}

fn translated() -> Result<Lab, String> {
    let lab = Lab::new("nat")?;
    lab.nft("add table ip nat")?;
    lab.nft("add chain ip nat out { type nat hook postrouting priority 100; }")?;
    // Of the hub's side nobody knows a way to the device.
    lab.nft("add rule ip nat out oifname wan masquerade")?;
    Ok(lab)
}

#[test]
fn behind_address_translation_a_device_joins_and_is_told() {
    let lab = match translated() {
        Ok(lab) => lab,
        Err(why) => return skip("behind_address_translation_a_device_joins_and_is_told", &why),
    };
    // This thread stays there, and its children with it.
    lab.enter("hub");
    let folder = tempfile::tempdir().unwrap();
    let mut hub = program();
    serve(&mut hub).arg("--data").arg(folder.path().join("hub"));
    let scene = Scene::at(Hub::with(hub, folder));
    let registrar = scene.hub.ready["devices"].as_str().unwrap().to_owned();
    let mut agent = program();
    agent.args(["agent", "--at-once", "--registrar", &registrar, "--data"]).arg(scene.device.path());
    let mut agent = lab.start("site", agent.stderr(Stdio::null()));
    scene.until("configuration/show", |shown| shown["applied"] == 1);
    TcpStream::connect("192.0.2.2:1").expect_err("there is no way to the device");
    let begin = Instant::now();
    scene.set("{\"interval\":5}", "5");
    scene.until("configuration/show", |shown| shown["applied"] == 2);
    println!("from `configuration set` to applied and confirmed, behind NAT: {:?}", begin.elapsed());
    assert_eq!(scene.holds(), "{\"interval\":5}");
    scene.hub.run(&["device", "show", DEVICE]).exits(0);
    agent.signal("-TERM");
    assert_eq!(agent.ended(), Some(0));
}
