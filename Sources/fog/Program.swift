internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
import Foundation

/// The program: parses, runs, and turns whatever went wrong into words, a document and an exit status.
@main
enum Program {
    static func main() async {
        StandardDescriptors.fill()
        let arguments = Array(CommandLine.arguments.dropFirst())
        // For an ordinary user the dispatch library otherwise notes in the system's log, with every thread that it
        // starts, that it may not raise the thread's priority.
        setenv("LIBDISPATCH_LOG", "NO", 0)
        do {
            var command = try await Fog.asyncParseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            exit(status(of: error, arguments))
        }
    }

    /// Says what is to be said of an error.
    private static func status(of error: any Error, _ arguments: [String]) -> Int32 {
        if let code = error as? ExitCode { return code.rawValue }
        if let ended = error as? EndedWith { return report(FailureReport(ended.error), arguments, exit: ended.status) }
        if error is any CodedFailure || error is CancellationError {
            let failure = FailureReport(error)
            return report(failure, arguments, exit: failure.status)
        }
        let code = Fog.exitCode(for: error)
        if code == .success {
            print(Fog.fullMessage(for: error))
            return 0
        }
        guard code == .validationFailure else {
            let failure = FailureReport(error)
            return report(failure, arguments, exit: failure.status)
        }
        let mistake = CommandNames(Fog.self).mistake(in: arguments)
        let words = CommandLineFailure(
            "usage", Fog.message(for: error), help: usage(in: Fog.fullMessage(for: error)), status: .usage)
        return report(FailureReport(mistake ?? words), arguments, exit: .usage)
    }

    /// The line `Usage: …` of the parser's message.
    private static func usage(in text: String) -> String? {
        text.split(separator: "\n").first { $0.hasPrefix("Usage: ") }.map { $0.dropFirst(7).description }
    }

    private static func report(_ failure: FailureReport, _ arguments: [String], exit status: ExitStatus) -> Int32 {
        let environment = ProcessInfo.processInfo.environment
        let console = Console(color: .auto, isVerbose: false, isQuiet: false, environment: environment)
        console.note(String(failure.text(style: console.errorStyle).dropLast()))
        if wantsJSON(arguments, environment) { console.print(failure.json) }
        return status.rawValue
    }

    /// Read from the words themselves: the error may be that they could not be parsed.
    private static func wantsJSON(_ arguments: [String], _ environment: [String: String]) -> Bool {
        let words = arguments.prefix { $0 != "--" }
        let chosen = words.indices.last { ["-o", "--output"].contains(words[$0]) }
        if let chosen, chosen + 1 < words.endIndex { return words[chosen + 1] == "json" }
        if words.contains(where: { ["--output=json", "-ojson", "-o=json"].contains($0) }) { return true }
        return chosen == nil && environment["FOG_OUTPUT"] == "json"
    }
}

/// An error that ends the process with another status than its own.
struct EndedWith: Error {
    let status: ExitStatus
    let error: any Error
}

extension CommandNames {
    init(_ command: any ParsableCommand.Type) {
        let configuration = command.configuration
        self.init(command._commandName, configuration.subcommands.map { CommandNames($0) })
    }
}
