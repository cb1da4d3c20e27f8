internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogPlacement

/// `fog placement moo`: the engine on problems whose fronts are known.
struct PlacementMoo: SessionCommand {
    static let configuration = CommandConfiguration(
        "moo", "Run the search on a standard problem of multi-objective optimisation.",
        examples: [
            "fog placement moo --problem ZDT1 --population 100 --generations 250 --seed 1 --json",
            "fog placement moo --problem DTLZ2-5 --survival indicator",
        ],
        more: """
            Problems: \(StandardProblem.names.joined(separator: ", ")). The generations count the random one that a search \
            starts from, so population x generations is the number of evaluations. JSON: one document `fog-moo-front-1` \
            with genome x and objectives f of each solution of the front.
            """)

    @Option(help: "Its name.")
    var problem: String

    @OptionGroup var search: SearchOptions

    @Option(help: "Which of a front stay: crowding, indicator or reference.")
    var survival = Survival.crowding

    @Flag(help: "Stop once ten generations have gained less than a thousandth of the hypervolume.")
    var untilConverged = false

    @OptionGroup var common: PlacementOutputOptions

    func run(_ session: Session) async throws {
        guard let problem = StandardProblem(named: problem) else {
            let known = StandardProblem.names.joined(separator: ", ")
            throw CommandLineFailure("unknown_problem", "no problem `\(problem)`; there are \(known)", status: .usage)
        }
        // Deb et al. 2002: pairs cross nine times in ten, and one gene of a genome mutates.
        var settings = search.settings(crossover: 0.9, mutation: 1 / Double(problem.variables))
        settings.generations -= 1
        settings.survival = survival
        settings.convergence = untilConverged ? Convergence() : nil
        let watch = Stopwatch()
        let outcome = Evolution.run(problem, settings)
        let elapsed = watch.milliseconds
        let front = outcome.population.prefix(outcome.frontCount)
        switch session.mode {
        case .json:
            let solutions = front.map { solution in
                JSON.object([
                    "x": .array(solution.genome.map(JSON.double)), "f": .array(solution.objectives.map(JSON.double)),
                ])
            }
            let document = JSON.object([
                "format": "fog-moo-front-1", "problem": .string(problem.name), "algorithm": "nsga2",
                "survival": .string(survival.rawValue), "seed": .integer(Int64(clamping: search.seed)),
                "population": .integer(Int64(search.population)),
                "generations": .integer(Int64(outcome.generations + 1)),
                "evaluations": .integer(Int64(outcome.evaluations)), "wall_ms": .double(elapsed),
                "solutions": .array(solutions),
            ])
            session.console.print(document.compact)
        case .quiet: session.console.print("\(outcome.frontCount)")
        case .table:
            var sheet = Sheet()
            var points = ObjectiveTable(width: problem.objectiveCount)
            for solution in front { points.append(solution.objectives) }
            sheet.add("problem", "\(problem.name), \(problem.variables) variables")
            sheet.add("front", Human.count(outcome.frontCount, "solution"))
            sheet.add("evaluations", "\(outcome.evaluations) in \(outcome.generations + 1) generations")
            sheet.add("time", "\(BenchFigure.text(elapsed)) ms")
            sheet.add("spacing", FrontMetrics.spacing(points).map(BenchFigure.text))
            let reference = [Double](repeating: 1.1, count: problem.objectiveCount)
            sheet.add("hypervolume to 1.1", BenchFigure.text(Hypervolume.of(points, reference: reference)))
            session.console.print(sheet)
        }
    }
}
