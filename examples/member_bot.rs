//! A bot that counts what is said, through broken connections and restarts of the server: it misses
//! nothing, and says nothing twice.
//!
//! Start a server with `cargo run`, then `cargo run --example member_bot`. Talk to it with
//! `cargo run --bin smoltalk -- --username ada`, and restart the server in between.

use smoltalk::client::{Config, Error, Event, Member};
use smoltalk::protocol::Name;

const EVERY: u32 = 10;

fn main() -> Result<(), Error> {
    let name = Name::new(b"counter").expect("a good name");
    smol::block_on(async {
        let mut counter = Member::join(Config::new("127.0.0.1", 7878, name)).await?;
        let mut count = 0;
        loop {
            match counter.next().await? {
                Event::Msg { .. } | Event::Data { .. } => count += 1,
                Event::Tell { from, .. } => {
                    // Whoever asks may have gone by now.
                    let _ = counter.tell(from, format!("{count} so far")).await;
                    continue;
                }
                Event::Gap => {
                    println!("something may be missing");
                    continue;
                }
                _ => continue,
            }
            if count % EVERY == 0 {
                let place = counter.say(format!("that was message {count}")).await?;
                println!("said at {}", place.map(|id| id.to_string()).unwrap_or_default());
            }
        }
    })
}
