import { Argument, Command } from "commander";
import { SHELLS, type Shell, scriptFor } from "./completion-scripts.js";

/** `user-mirror completion`. */
export function completionCommand(): Command {
  return new Command("completion")
    .description("Print a script that completes commands and options in your shell")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText(
      "after",
      `
It completes the command \`user-mirror\`, as an installed package brings it. For good, add the line to your shell's own file:

  $ source <(user-mirror completion bash)        # in ~/.bashrc
  $ source <(user-mirror completion zsh)         # in ~/.zshrc, behind compinit
  $ user-mirror completion fish | source         # in ~/.config/fish/config.fish
`,
    )
    .action((shell: Shell, _: unknown, command: Command) => {
      process.stdout.write(scriptFor(shell, command.parent ?? command));
    });
}
