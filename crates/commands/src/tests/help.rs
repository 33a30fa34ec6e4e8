use clap::CommandFactory;

use super::{Cli, unstyled};

#[test]
fn help_of_every_command() {
    let mut cli = Cli::command().term_width(80);
    cli.build();
    let mut help = cli.render_long_help().to_string();
    for command in cli.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        let name = command.get_name().to_owned();
        help.push_str(&format!("\n=== {name}\n{}", command.render_long_help()));
    }
    insta::assert_snapshot!(unstyled(&help));
}
