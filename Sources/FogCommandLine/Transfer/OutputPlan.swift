package import FogAPI
package import FogCore
internal import FogJobs

/// How the tasks of a step are numbered on disk.
package struct StepLayout: Hashable, Sendable {
    package var name: String
    /// Number of its first task in the job, and how many there are.
    package var base: UInt32
    package var count: UInt32
    /// Whether each task has a folder of its own.
    package var isArray: Bool
    /// `{index}` of the first element, and the distance to the next.
    package var first: Int
    package var stride: Int

    package init(name: String, base: UInt32, count: UInt32, isArray: Bool, first: Int = 0, stride: Int = 1) {
        self.name = name
        self.base = base
        self.count = count
        self.isArray = isArray
        self.first = first
        self.stride = stride
    }

    /// The steps of a job.
    /// - Parameter document: its resolved manifest, which alone knows where `array: 10-19` begins; without it tasks count
    ///   from 0, and a step of more than one task is an array.
    package static func layouts(of job: JobBody, document: JSON?) -> [StepLayout] {
        job.steps.map { step in
            var layout = StepLayout(name: step.name, base: step.base, count: step.count, isArray: step.count > 1)
            guard let place = step.name.isEmpty ? document : document?["steps"]?[step.name] else { return layout }
            layout.isArray = place["array"] != nil || place["sweep"] != nil
            if let text = place["array"]?.string {
                let parts = text.split(separator: ":")
                layout.first = parts.first?.split(separator: "-").first.flatMap { Int($0) } ?? 0
                layout.stride = parts.count == 2 ? Int(parts[1]) ?? 1 : 1
            }
            return layout
        }
    }

    package func holds(_ task: UInt32) -> Bool { task >= base && task - base < count }

    /// The folder of a task below the folder of the outputs: nothing, `<index>`, `<step>` or `<step>/<index>`.
    package func folder(of task: UInt32) -> [String] {
        (name.isEmpty ? [] : [name]) + (isArray ? [String(first + Int(task - base) * stride)] : [])
    }
}

/// A file to be fetched, and where it goes.
package struct PlannedFile: Hashable, Sendable {
    package let task: UInt32
    /// Below the folder of the outputs; each a plain name.
    package let components: [String]
    package let size: Int64
    package let digest: Digest
    package let isExecutable: Bool

    package var path: String { components.joined(separator: "/") }
}

/// Which files a job left, and where each is put.
package struct OutputPlan: Hashable, Sendable {
    package let files: [PlannedFile]
    package var bytes: Int64 { files.reduce(0) { $0 + $1.size } }

    private static let maxDepth = 64

    /// - Parameter attempts: of which the newest successful one of each task counts.
    /// - Parameter isExpected: asked with each task's own name of a file; one that was never asked for is refused.
    /// - Throws: `unsafe_output` for a name that would leave the folder, whatever the coordinator or a worker says.
    package init(
        attempts: [AttemptBody], layouts: [StepLayout], isExpected: (String) -> Bool = { _ in true }
    ) throws {
        var winners: [UInt32: AttemptBody] = [:]
        for attempt in attempts where attempt.outcome == .success {
            if let known = winners[attempt.task], known.token > attempt.token { continue }
            winners[attempt.task] = attempt
        }
        var files: [PlannedFile] = []
        var seen: Set<[String]> = []
        for (task, attempt) in winners.sorted(by: { $0.key < $1.key }) {
            guard let layout = layouts.first(where: { $0.holds(task) }) else {
                throw Self.unsafe("task \(task)", "is of no step of the job")
            }
            let folder = layout.folder(of: task)
            guard folder.allSatisfy({ Self.mistake(in: $0) == nil }) else {
                throw Self.unsafe(layout.name, "is no name")
            }
            for output in attempt.outputs {
                let components = folder + (try Self.components(of: output.name))
                guard isExpected(output.name) else { throw Self.unsafe(output.name, "was not asked for") }
                guard seen.insert(components).inserted else { throw Self.unsafe(output.name, "stands twice") }
                guard output.size >= 0 else { throw Self.unsafe(output.name, "has a size below zero") }
                files.append(
                    PlannedFile(
                        task: task, components: components, size: output.size, digest: output.digest,
                        isExecutable: output.executable))
            }
        }
        self.files = files
    }

    /// The plain names that an output's name consists of.
    static func components(of name: String) throws -> [String] {
        guard !name.hidesSlash else { throw unsafe(name, "has a combining mark behind a slash") }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= maxDepth else { throw unsafe(name, "lies deeper than \(maxDepth) folders") }
        for part in parts {
            if let mistake = mistake(in: part) { throw unsafe(name, mistake) }
        }
        return parts
    }

    private static func mistake(in part: String) -> String? {
        switch part {
        case "": return "is absolute, or has an empty part"
        case ".", "..": return "has the part `\(part)`"
        default: break
        }
        if part.contains("/") { return "has a slash" }
        if part.utf8.count > 255 { return "has a part longer than 255 bytes" }
        let isControl = part.unicodeScalars.contains { $0.properties.generalCategory == .control }
        return isControl ? "has a control character" : nil
    }

    private static func unsafe(_ name: String, _ mistake: String) -> CommandLineFailure {
        CommandLineFailure(
            "unsafe_output", "the output `\(DisplayText.clean(name.prefix(200)))` \(mistake): nothing was written")
    }
}
