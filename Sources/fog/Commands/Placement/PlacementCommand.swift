internal import ArgumentParser
internal import FogCommandLine
internal import FogPlacement

/// `fog placement`: what was placed and why, and the search by itself.
struct PlacementCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "placement", "See how tasks were placed, and try the search that places them.",
        examples: [
            "fog placement front render --svg front.svg", "fog placement why-not render desk-3",
            "fog placement bench --instance batch.json",
            "fog placement moo --problem ZDT1 --population 100 --generations 250",
        ],
        subcommands: [
            PlacementFrontCommand.self, PlacementWhyNot.self, PlacementBench.self, PlacementMoo.self,
        ])
}

extension Survival: ExpressibleByArgument {}

/// What the commands of `fog placement` take: the local options, and `--json` as a short form.
struct PlacementOutputOptions: ParsableArguments, SessionOptions {
    @Flag(help: "The same as --output json.")
    var json = false

    @OptionGroup var local: LocalOptions

    var verbose: Bool { local.verbose }

    var flags: [SettingKey: String] {
        var flags = local.flags
        if json { flags[.output] = OutputMode.json.rawValue }
        return flags
    }

    func validate() throws {
        guard !(json && (local.quiet || local.output != nil)) else {
            throw ValidationError("--json stands alone, without --output and --quiet")
        }
    }
}

/// What every search takes.
struct SearchOptions: ParsableArguments {
    @Option(help: "How many solutions live at once, 2 to 10000.")
    var population = 50

    @Option(help: "How many generations, 1 to 1000000.")
    var generations = 100

    @Option(help: "Equal seeds give equal results.")
    var seed: UInt64 = 1

    @Option(help: "Chance of a pair of parents to cross, 0 to 1.")
    var crossover: Double?

    @Option(help: "Chance of a gene to mutate, 0 to 1.")
    var mutation: Double?

    @Option(help: "How many are drawn for each parent, of whom the best is it, 1 to 100.")
    var tournament = 3

    func validate() throws {
        guard (2...EvolutionSettings.maxPopulation).contains(population) else {
            throw ValidationError("--population must be 2 to 10000, found \(population)")
        }
        guard (1...EvolutionSettings.maxGenerations).contains(generations) else {
            throw ValidationError("--generations must be 1 to 1000000, found \(generations)")
        }
        guard (1...100).contains(tournament) else {
            throw ValidationError("--tournament must be 1 to 100, found \(tournament)")
        }
        for (name, value) in [("--crossover", crossover), ("--mutation", mutation)] {
            guard let value else { continue }
            guard (0...1).contains(value) else { throw ValidationError("\(name) must be 0 to 1, found \(value)") }
        }
    }

    func settings(crossover: Double, mutation: Double) -> EvolutionSettings {
        var settings = EvolutionSettings()
        settings.population = population
        settings.generations = generations
        settings.seed = seed
        settings.tournament = tournament
        settings.crossover = self.crossover ?? crossover
        settings.mutation = self.mutation ?? mutation
        return settings
    }
}
