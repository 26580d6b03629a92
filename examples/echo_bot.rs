//! A bot that answers when it is told something, or when somebody says its name.
//!
//! Start a server with `cargo run`, then `cargo run --example echo_bot`, and talk to it:
//! `cargo run --bin smoltalk -- --username ada`, then `send hello, echo`.

use smoltalk::client::{Client, Error, Event};

const NAME: &str = "echo";

fn main() -> Result<(), Error> {
    smol::block_on(async {
        let mut client = Client::connect("127.0.0.1", 7878).await?;
        let members = client.join(NAME).await?;
        println!("in the room, as one of {members}");
        loop {
            match client.next().await {
                Ok(event) => answer(&mut client, event).await?,
                Err(end) => return Err(end),
            }
        }
    })
}

async fn answer(client: &mut Client, event: Event) -> Result<(), Error> {
    let said = match event {
        Event::Tell { from, text } => client.tell(from, format!("you said: {text}")).await,
        // Another echo would be answered for ever.
        Event::Msg { from, text } if text.to_lowercase().contains(NAME) && !is_echo(&text) => {
            client.say(format!("{from} said: {text}")).await
        }
        _ => Ok(()),
    };
    match said {
        // A text that only just fitted does not fit with what we put before it.
        Err(Error::TooLong) => Ok(()),
        said => said,
    }
}

fn is_echo(text: &str) -> bool {
    text.contains(" said: ")
}
