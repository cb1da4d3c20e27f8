internal import ArgumentParser

/// `fog`: all commands, the everyday ones first.
struct Fog: AsyncParsableCommand {
    static let version = FogVersion.current

    static let configuration = CommandConfiguration(
        commandName: "fog",
        abstract: "Batch computing on machines that people already own.",
        discussion: """
            EXAMPLES:
              fog dev                              a coordinator and a worker on this machine
              fog run -- echo hi                   run a command there, see its output here
              fog job submit render.yaml --follow  submit a manifest
            """,
        version: version,
        groupedSubcommands: [
            CommandGroup(
                name: "Every day",
                subcommands: [
                    RunCommand.self, JobSubmit.self, PsCommand.self, JobLogs.self, JobCancel.self, TopCommand.self,
                ]),
            CommandGroup(
                name: "Things",
                subcommands: [
                    JobCommand.self, NodeCommand.self, LedgerCommand.self, MarketCommand.self, ContextCommand.self,
                    IdentityCommand.self,
                    EnrollCommand.self, CandidateCommand.self, SandboxCommand.self, ProfileCommand.self,
                    QuotaCommand.self, ConfigCommand.self,
                ]),
            CommandGroup(
                name: "Machines",
                subcommands: [
                    DevCommand.self, CoordinatorCommand.self, WorkerCommand.self, JoinCommand.self, HarvestCommand.self,
                    DoctorCommand.self, BenchCommand.self, PlacementCommand.self, MixnetCommand.self,
                    CircuitCommand.self,
                    MixnodeCommand.self,
                    DirectoryCommand.self, WitnessCommand.self, CompletionsCommand.self,
                ]),
        ])
}
