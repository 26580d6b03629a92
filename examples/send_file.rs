//! Sends a file one to one, and prints how long it took until somebody had it. In two terminals:
//!
//! ```sh
//! cargo run --bin smoltalk -- direct --listen --whole > copy
//! cargo run --example send_file -- 127.0.0.1 7879 README.md
//! ```

use smoltalk::direct::{Config, Direct, Event};
use std::env;
use std::error::Error;
use std::fs;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [host, port, path] = args.as_slice() else {
        return Err("usage: send_file HOST PORT FILE".into());
    };
    let file = fs::read(path)?;
    smol::block_on(async {
        let mut peer = Direct::connect(host, port.parse()?, &Config::default()).await?;
        let sent = peer.send(&file).await?;
        loop {
            match peer.next().await? {
                Event::Acked { id, round_trip } if id == sent => {
                    println!("{} has its {} bytes: {round_trip:?}", peer.peer(), file.len());
                    break;
                }
                Event::Refused { text, .. } => return Err(text.into()),
                // What the other side says meanwhile is not acknowledged: nobody reads it here.
                _ => {}
            }
        }
        peer.leave().await;
        Ok(())
    })
}
