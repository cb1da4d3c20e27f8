internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogManifestFile
internal import FogPlacement
import Foundation

/// `fog placement bench`: the search on a stored batch.
struct PlacementBench: SessionCommand {
    static let configuration = CommandConfiguration(
        "bench", "Place a stored batch of jobs on nodes, and print the front that was found.",
        examples: [
            "fog placement bench --instance batch.json --seed 1 --json",
            "fog placement bench --instance batch.json --budget 250",
            "fog placement bench --instance batch.json --plain --survival crowding",
        ],
        more: """
            The batch is a document `fog-placement-1`; JSON output is one `fog-front-1`: assignments (the node of each job, \
            -1 for none), their five objectives, the jobs that no node can take and why, and which solution is chosen. \
            Without a budget equal seeds give equal fronts, on any number of threads; the search ends by itself once the \
            front's volume rests or much has been done. With a budget it ends in time with what it has.
            """)

    @Option(help: "The batch.", completion: .file())
    var instance: String

    @OptionGroup var search: SearchOptions

    @Option(
        name: [.customLong("budget"), .customLong("wall-ms")], help: "Milliseconds that it may take, 1 to 3600000.")
    var budget: Int?

    @Option(help: "Threads, 1 to 256; default one a processor.")
    var threads: Int?

    @Flag(help: "NSGA-II alone: random start, no prices, no improvement.")
    var plain = false

    @Option(help: "With --plain, which of a front stay: crowding, indicator or reference.")
    var survival: Survival?

    @OptionGroup var common: PlacementOutputOptions

    func validate() throws {
        if let budget {
            guard (1...3_600_000).contains(budget) else {
                throw ValidationError("--budget must be 1 to 3600000 milliseconds, found \(budget)")
            }
        }
        if let threads {
            guard (1...256).contains(threads) else {
                throw ValidationError("--threads must be 1 to 256, found \(threads)")
            }
        }
        guard plain || survival == nil else {
            throw ValidationError("--survival is for --plain; the full search keeps what covers the front")
        }
        guard plain || search.mutation == nil && search.tournament == 3 else {
            throw ValidationError("--mutation and --tournament are for --plain")
        }
    }

    func run(_ session: Session) async throws {
        let bytes = try LocalFile.read(instance, limit: 256 << 20)
        let batch = try BatchInstance(JSON(parsing: bytes))
        let watch = Stopwatch()
        let workers = threads ?? ProcessInfo.processInfo.activeProcessorCount
        // What is found has still to be chosen from and reckoned exactly.
        let limit = budget.map { max(1, Double($0) * 0.95 - 10) }
        let ends: @Sendable () -> Bool = { limit.map { watch.milliseconds > $0 } ?? false }
        let problem = BatchProblem(batch, workers: workers)
        let front = plain ? plainFront(problem, workers, ends) : self.front(problem, workers, ends)
        let elapsed = watch.milliseconds
        switch session.mode {
        case .json:
            session.console.print(document(batch, problem, front, bytes, elapsed).compact)
        case .quiet:
            for value in front.solutions[front.chosen].objectives { session.console.print("\(value)") }
        case .table: show(session, batch, problem, front, elapsed)
        }
    }

    private func front(_ problem: BatchProblem, _ workers: Int, _ ends: @escaping @Sendable () -> Bool)
        -> PlacementFront
    {
        var settings = FrontSettings()
        settings.population = search.population
        settings.generations = search.generations
        settings.crossover = search.crossover ?? settings.crossover
        settings.seed = search.seed
        settings.workers = workers
        if budget != nil {
            // The time is the bound, and all of it may be used.
            settings.work = .max
            settings.convergence = nil
        }
        return FrontSearch.run(problem, settings, ends: ends)
    }

    private func plainFront(
        _ problem: BatchProblem, _ workers: Int, _ ends: @escaping @Sendable () -> Bool
    ) -> PlacementFront {
        var settings = search.settings(crossover: 0.8, mutation: 0.1)
        settings.survival = survival ?? .crowding
        settings.workers = workers
        return PlacementFront(problem, Evolution.run(BatchGenome(problem), settings, ends: ends))
    }

    private func document(
        _ batch: BatchInstance, _ problem: BatchProblem, _ front: PlacementFront, _ bytes: [UInt8], _ elapsed: Double
    ) -> JSON {
        let unplaceable = problem.reasons.sorted { $0.key < $1.key }.map { job, reason in
            JSON.object(["job": .integer(Int64(job)), "reason": .string(reason.rawValue)])
        }
        let solutions = front.solutions.map { solution in
            JSON.object([
                "assignment": .array(solution.assignment.map { .integer(Int64($0)) }),
                "objectives": .array(solution.objectives.map(JSON.double)),
            ])
        }
        return .object([
            "format": "fog-front-1", "instance": .string(batch.name),
            "instance_sha256": .string(Digest.sha256(bytes).description),
            "algorithm": .string(plain ? "nsga2-plain" : "nsga2"), "seed": .integer(Int64(clamping: search.seed)),
            "population": .integer(Int64(search.population)), "generations": .integer(Int64(front.generations)),
            "evaluations": .integer(Int64(front.evaluations)), "wall_ms": .double(elapsed),
            "unplaceable": .array(unplaceable), "solutions": .array(solutions),
            "chosen": .integer(Int64(front.chosen)),
        ])
    }

    private func show(
        _ session: Session, _ batch: BatchInstance, _ problem: BatchProblem, _ front: PlacementFront, _ elapsed: Double
    ) {
        var table = Table([.init("OBJECTIVE"), .init("BEST", right: true), .init("CHOSEN", right: true)])
        for (place, name) in BatchProblem.objectives.enumerated() {
            let best = front.solutions.map { $0.objectives[place] }.min() ?? 0
            let chosen = front.solutions[front.chosen].objectives[place]
            table.add([
                Table.Cell(name), Table.Cell(BenchFigure.text(best)), Table.Cell(BenchFigure.text(chosen)),
            ])
        }
        session.console.print(table)
        let left = zip(0..., front.solutions[front.chosen].assignment).count { $1 < 0 && problem.reasons[$0] == nil }
        var sheet = Sheet()
        sheet.add("batch", "\(Human.count(problem.jobCount, "job")), \(Human.count(problem.nodeCount, "node"))")
        sheet.add("front", Human.count(front.solutions.count, "solution"))
        sheet.add("left out", left == 0 ? nil : "\(left) of the chosen solution, for want of room")
        let reasons = Dictionary(grouping: problem.reasons.values, by: \.rawValue).mapValues(\.count)
        sheet.add("no node", reasons.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        sheet.add("evaluations", "\(front.evaluations) in \(front.generations) generations")
        sheet.add("time", "\(BenchFigure.text(elapsed)) ms")
        session.console.print(sheet)
    }
}
