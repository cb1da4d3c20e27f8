package import FogAPI
package import FogCore
package import FogJobs

/// Whom this user seals private jobs to: machines whose keys were compared with their owners', never on a coordinator's
/// word alone.
package struct CandidatePolicy: Sendable, Hashable {
    package struct Pin: Sendable, Hashable {
        package var machine: PublicKey
        /// Whose it is by this user's own knowledge; nil = the coordinator is asked, which only matters for how the
        /// candidates are spread.
        package var owner: String?

        package init(machine: PublicKey, owner: String? = nil) {
            self.machine = machine
            self.owner = owner
        }
    }

    package static let maxPins = 4096
    package static let usualCount = 8

    package private(set) var pins: [Pin] = []
    /// Machines that a job is sealed to at first.
    package var count = CandidatePolicy.usualCount

    package init() {}

    package subscript(_ machine: PublicKey) -> Pin? { pins.first { $0.machine == machine } }

    package mutating func pin(_ pin: Pin) throws {
        pins.removeAll { $0.machine == pin.machine }
        guard pins.count < Self.maxPins else {
            throw CommandLineFailure("too_many", "there are \(Self.maxPins) machines pinned already")
        }
        pins.append(pin)
    }

    package mutating func unpin(_ machine: PublicKey) throws {
        guard self[machine] != nil else {
            throw CommandLineFailure("not_found", "the machine \(machine.id) is not pinned")
        }
        pins.removeAll { $0.machine == machine }
    }

    // MARK: - The file

    /// - Throws: `bad_candidates`.
    package static func load(_ path: String) throws -> CandidatePolicy {
        guard let bytes = try Disk.readSmall(path) else { return CandidatePolicy() }
        do {
            return try CandidatePolicy(json: JSON(parsing: bytes))
        } catch let failure as CoreFailure {
            throw CommandLineFailure("bad_candidates", "\(path): \(failure.message)")
        }
    }

    package func save(_ path: String) throws {
        if let slash = path.lastIndex(of: "/") { try Disk.makeFolder(String(path[..<slash]), mode: 0o700) }
        try Disk.write(Array((json.pretty + "\n").utf8), to: path, mode: 0o600)
    }

    package var json: JSON {
        .object([
            "count": .integer(Int64(count)),
            "pinned": .array(
                pins.map {
                    .object(["key": .string($0.machine.description), "owner": $0.owner.map { .string($0) }])
                }),
        ])
    }

    init(json: JSON) throws {
        if let count = json["count"] {
            guard let number = count.integer, (1...Int64(SealedKeys.limit)).contains(number) else {
                throw CoreFailure("bad_candidates", "`count` must be 1 to \(SealedKeys.limit)")
            }
            self.count = Int(number)
        }
        for (index, item) in (json["pinned"]?.array ?? []).enumerated() {
            guard let text = item["key"]?.string else {
                throw CoreFailure("bad_candidates", "pinned[\(index)].key must be a public key, `fogkey1…`")
            }
            try pin(Pin(machine: PublicKey(text), owner: item["owner"]?.string))
        }
    }

    // MARK: - Choosing

    /// What became of the machines that a coordinator named.
    package struct Choice: Sendable {
        /// Owner after owner.
        package var chosen: [CandidateStatement] = []
        /// Why the others were not taken.
        package var refused: [(name: String, words: String)] = []
    }

    /// The machines to seal a job to: those that this policy knows, whose own statement holds, and that can run it.
    ///
    /// - Parameters:
    ///   - files: what the job's inputs hold.
    ///   - known: key ids of machines that have the key already.
    package func choose(
        among found: [CandidatesBody.Candidate], for spec: JobSpec, files: FileTable, coordinator: PublicKey,
        except known: Set<String> = [], at now: Timestamp
    ) -> Choice {
        var choice = Choice()
        var fitting: [(statement: CandidateStatement, owner: String)] = []
        for candidate in found {
            let name = candidate.report.name
            do throws(JobsFailure) {
                let statement = try CandidateStatement(signed: candidate.statement)
                guard !known.contains(statement.machine.id.description) else { continue }
                if let mistake = statement.mistake(at: now, coordinator: coordinator) {
                    choice.refused.append((name, "its statement does not hold: \(mistake)"))
                } else if let pin = self[statement.machine] {
                    let owner = pin.owner ?? candidate.owner
                    if let lack = Self.lack(of: candidate, owner: owner, for: spec, files: files) {
                        choice.refused.append((name, lack))
                    } else {
                        fitting.append((statement, owner))
                    }
                } else {
                    choice.refused.append((name, "its key \(statement.machine.id) is not pinned"))
                }
            } catch {
                choice.refused.append((name, error.message))
            }
        }
        var met: [String: Int] = [:]
        let turns = fitting.map { entry in
            let turn = met[entry.owner, default: 0]
            met[entry.owner] = turn + 1
            return (turn, entry.statement)
        }
        choice.chosen = turns.sorted { $0.0 < $1.0 }.prefix(count).map(\.1)
        return choice
    }

    /// What a machine lacks that some step wants. The coordinator is not told what that is, so the machine is chosen for
    /// all steps at once.
    private static func lack(
        of candidate: CandidatesBody.Candidate, owner: String, for spec: JobSpec, files: FileTable
    ) -> String? {
        for step in spec.steps {
            guard candidate.report.profiles.contains(step.profile) else {
                return "it cannot enforce the profile `\(step.profile)`"
            }
            if !step.allowHosts.isEmpty, !candidate.network { return "its owner lets no task reach the network" }
            let wanted = step.requires + step.derivedRequirements(files: files)
            if let missing = wanted.first(where: { !$0.holds(for: candidate.report, owner: owner) }) {
                return "it has not `\(missing.text)`"
            }
        }
        return nil
    }
}

extension JobSpec {
    /// What the largest of its tasks asks of each thing.
    package var largestRequest: ResourceRequest {
        steps.dropFirst().reduce(steps.first?.resources ?? ResourceRequest()) { most, step in
            var most = most
            most.cpu = max(most.cpu, step.resources.cpu)
            most.memory = max(most.memory, step.resources.memory)
            most.disk = max(most.disk, step.resources.disk)
            most.gpu = max(most.gpu, step.resources.gpu)
            return most
        }
    }

    /// What a private job may not want; nil when nothing stands against it.
    package var privateMistake: String? {
        for step in steps {
            let place = step.name.isEmpty ? "" : "steps.\(step.name)."
            if step.image != .host {
                return
                    "`\(place)image` cannot be private: machines keep images beyond the task; send what is needed as inputs"
            }
        }
        guard let inputs = try? LocalInputs(of: self), inputs.blobs.isEmpty else {
            return "an input `blob:…` lies with the coordinator in clear; name the file instead"
        }
        return nil
    }
}
