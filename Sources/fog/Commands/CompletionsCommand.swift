internal import ArgumentParser

/// `fog completions`: what a shell needs to complete commands and options.
struct CompletionsCommand: ParsableCommand {
    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish
    }

    static let configuration = CommandConfiguration(
        "completions", "Print a completion script for a shell.",
        examples: [
            "fog completions bash > ~/.local/share/bash-completion/completions/fog",
            "fog completions fish > ~/.config/fish/completions/fog.fish",
        ])

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        let wanted: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        print(Fog.completionScript(for: wanted))
    }
}
