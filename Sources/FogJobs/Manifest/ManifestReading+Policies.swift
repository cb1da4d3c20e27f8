internal import FogCore

/// Maps with fixed keys, and lists of words with a meaning.
extension ManifestReading {
    private mutating func members(
        _ node: ManifestNode, _ path: String, of key: String, example: String
    ) -> ManifestReader.Fields? {
        reader.readFields(node, path, known: ManifestKeys.members[key] ?? [], help: "for example `\(example)`")
    }

    mutating func readResources(_ node: ManifestNode, _ path: String) -> ResourceRequest? {
        let example = "resources: {cpu: 2, memory: 2GiB}"
        guard let fields = members(node, path, of: "resources", example: example) else { return nil }
        var out = ResourceRequest()
        if let node = fields["cpu"], let cpu = reader.readCores(node, fields.path(of: "cpu")) { out.cpu = cpu }
        if let node = fields["memory"], let memory = reader.readSize(node, fields.path(of: "memory")) {
            out.memory = memory
        }
        if let node = fields["disk"], let disk = reader.readSize(node, fields.path(of: "disk")) { out.disk = disk }
        if let node = fields["time"], let time = reader.readSpan(node, fields.path(of: "time")) { out.time = time }
        out.pids = fields["pids"].flatMap {
            reader.readInteger($0, fields.path(of: "pids"), 1...ManifestKeys.Bounds.pids)
        }
        out.gpu =
            fields["gpu"].flatMap { reader.readInteger($0, fields.path(of: "gpu"), 0...ManifestKeys.Bounds.gpus) } ?? 0
        return out
    }

    mutating func readRetry(_ node: ManifestNode, _ path: String) -> RetryPolicy? {
        var help = "retry: {max_attempts: 3}"
        if case .scalar(let text, _) = node.content, let count = ManifestReader.integer(text) {
            help = "retry: {max_attempts: \(count)}"
        }
        guard let fields = members(node, path, of: "retry", example: help) else { return nil }
        var out = RetryPolicy()
        func at(_ key: String) -> String { fields.path(of: key) }
        let bounds = ManifestKeys.Bounds.self
        if let node = fields["max_attempts"] {
            out.maxAttempts = reader.readInteger(node, at("max_attempts"), 1...bounds.attempts) ?? out.maxAttempts
        }
        if let node = fields["max_evictions"] {
            out.maxEvictions = reader.readInteger(node, at("max_evictions"), 0...bounds.evictions) ?? out.maxEvictions
        }
        if let node = fields["delay"], let delay = reader.readSpan(node, at("delay"), bounds.delay) {
            out.backoff.delay = delay
        }
        if let node = fields["max_delay"], let delay = reader.readSpan(node, at("max_delay"), bounds.delay) {
            out.backoff.maxDelay = delay
        }
        if let node = fields["backoff"] {
            let word = reader.readWord(node, at("backoff"), of: Backoff.Growth.allCases.map(\.rawValue))
            out.backoff.growth = word.flatMap(Backoff.Growth.init(rawValue:)) ?? out.backoff.growth
        }
        if let node = fields["jitter"] {
            let word = reader.readWord(node, at("jitter"), of: Backoff.Jitter.allCases.map(\.rawValue))
            out.backoff.jitter = word.flatMap(Backoff.Jitter.init(rawValue:)) ?? out.backoff.jitter
        }
        if let node = fields["on_exit_codes"], node.content != .scalar("all", quoted: false),
            node.content != .scalar("all", quoted: true)
        {
            out.onExitCodes = readExitCodes(node, at("on_exit_codes"), wanted: "all, or a list of exit codes")
        }
        if let node = fields["not_on_exit_codes"] {
            out.notOnExitCodes = readExitCodes(node, at("not_on_exit_codes"), wanted: "a list of exit codes") ?? []
        }
        out.maxMemory = fields["max_memory"].flatMap { reader.readSize($0, at("max_memory")) }
        return out
    }

    private mutating func readExitCodes(_ node: ManifestNode, _ path: String, wanted: String) -> [Int]? {
        guard let list = reader.readList(node, path, wanted: wanted, limit: 256) else { return nil }
        let codes = list.enumerated().compactMap { reader.readInteger($1, "\(path)[\($0)]", 0...255) }
        return Set(codes).sorted()
    }

    mutating func readTimeout(_ node: ManifestNode) -> (queue: TimeSpan?, total: TimeSpan?)? {
        var help = "timeout: {queue: 1h, total: 2d}"
        if case .scalar(let text, _) = node.content, (try? TimeSpan(text)) != nil {
            help = "for one attempt `resources: {time: \(text)}`, for the job `timeout: {total: \(text)}`"
            reader.refuse(node, "timeout", wanted: "a map of queue and total", help: help)
            return nil
        }
        guard let fields = members(node, "timeout", of: "timeout", example: help) else { return nil }
        let queue = fields["queue"].flatMap { reader.readSpanOrNone($0, "timeout.queue") } ?? nil
        let total = fields["total"].flatMap { reader.readSpanOrNone($0, "timeout.total") } ?? nil
        return (queue, total)
    }

    mutating func readCheckpoint(_ node: ManifestNode, _ path: String) -> CheckpointPolicy? {
        let example = "checkpoint: {every: 10m}"
        guard let fields = members(node, path, of: "checkpoint", example: example) else { return nil }
        var out = CheckpointPolicy()
        out.every = fields["every"].flatMap { reader.readSpanOrNone($0, fields.path(of: "every")) } ?? nil
        if let node = fields["max_size"], let size = reader.readSize(node, fields.path(of: "max_size")) {
            out.maxSize = size
        }
        if let node = fields["exit_code"] {
            out.exitCode = reader.readInteger(node, fields.path(of: "exit_code"), 1...255) ?? out.exitCode
        }
        return out
    }

    /// In the order of ``ManifestKeys/objectives``; what is not named counts nothing.
    private mutating func readWeights(_ node: ManifestNode) -> [Double]? {
        let path = "placement.weights", example = "weights: {latency: 2, price: 1}"
        guard
            let fields = reader.readFields(
                node, path, known: Set(ManifestKeys.objectives), help: "for example `\(example)`")
        else { return nil }
        let weights = ManifestKeys.objectives.map { name in
            fields[name].flatMap { reader.readNumber($0, "\(path).\(name)", upTo: 1000) } ?? 0
        }
        guard weights.contains(where: { $0 > 0 }) else {
            reader.refuse("out_of_range", node, path, wanted: "a weight above 0", help: example)
            return nil
        }
        return weights
    }

    mutating func readPlacement(_ node: ManifestNode) -> PlacementWishes? {
        let example = "placement: {strategy: least-loaded}"
        guard let fields = members(node, "placement", of: "placement", example: example) else { return nil }
        var out = PlacementWishes()
        if let node = fields["strategy"] {
            out.strategy = reader.readWord(node, "placement.strategy", of: ManifestKeys.strategies)
        }
        out.region = fields["region"].flatMap { reader.readName($0, "placement.region") }
        out.maxLatency = fields["max_latency"].flatMap {
            reader.readSpan($0, "placement.max_latency", ManifestKeys.Bounds.latency)
        }
        out.maxPrice = fields["max_price"].flatMap { reader.readCredits($0, "placement.max_price") }
        if let node = fields["purchase"] {
            let word = reader.readWord(node, "placement.purchase", of: Purchase.allCases.map(\.rawValue))
            out.purchase = word.flatMap(Purchase.init(rawValue:)) ?? .onDemand
            if out.purchase.needsLimit, fields["max_price"] == nil {
                reader.report(
                    "missing_key", at: node, "placement.max_price",
                    "`placement.purchase: \(out.purchase.rawValue)` without `placement.max_price` bids nothing",
                    wanted: "credits a core-hour", help: "for example `max_price: 1.2`")
            }
        }
        out.minTrust = fields["min_trust"].flatMap { reader.readFraction($0, "placement.min_trust") } ?? 0
        out.weights = fields["weights"].flatMap { readWeights($0) }
        if let node = fields["exclude"] {
            let path = "placement.exclude"
            let list = reader.readList(
                node, path, wanted: "a list of nodes or owner:NAME", limit: ManifestLimits.maxListed)
            out.exclude = readTexts(list ?? [], path, wanted: "the name of a node, or owner:NAME").compactMap {
                let name = $0.text.hasPrefix("owner:") ? $0.text.dropFirst(6) : $0.text[...]
                guard Self.isPlainWord(name) else {
                    reader.refuse("bad_value", $0.node, $0.path, wanted: "the name of a node, or owner:NAME")
                    return nil
                }
                return $0.text
            }
        }
        return out
    }

    mutating func readDeadline(_ node: ManifestNode) -> Deadline? {
        let wanted = "a time such as 2026-11-22T10:17:19Z, or a duration such as 2h"
        guard let text = reader.readText(node, "deadline", wanted: wanted) else { return nil }
        if let time = try? Timestamp(text) { return .at(time) }
        if (try? TimeSpan(text)) != nil { return reader.readSpan(node, "deadline").map { .after($0) } }
        let advice = (try? Timestamp(text + "Z")) != nil ? "write \(text)Z, or an offset such as +02:00" : nil
        reader.refuse("bad_value", node, "deadline", wanted: wanted, help: advice ?? ManifestReader.spanAdvice(text))
        return nil
    }

    mutating func readLabels(_ node: ManifestNode) -> [String: String]? {
        let entries = reader.readMap(node, "labels", wanted: "a map of labels", limit: ManifestLimits.maxListed)
        var out: [String: String] = [:]
        for entry in entries ?? [] {
            let path = "labels.\(entry.key)"
            let key = ManifestNode(.scalar(entry.key, quoted: false), at: entry.keyMark)
            if !Self.isPlainWord(entry.key[...]) {
                reader.refuse("bad_name", key, path, wanted: "a label of letters, digits, . _ - and /")
            }
            guard let text = reader.readText(entry.value, path, limit: 255) else { continue }
            guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
                reader.refuse("bad_value", entry.value, path, wanted: "text without control characters")
                continue
            }
            out[entry.key] = text
        }
        return out
    }

    /// Letters, digits, `. _ - /`, at most 63: names that others gave.
    static func isPlainWord(_ text: Substring) -> Bool {
        (1...ManifestLimits.maxNameBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x2f, 0x5f: true
                default: false
                }
            }
    }

    mutating func readPrivacy(_ fields: ManifestReader.Fields) -> PrivacyLevel {
        fields["privacy"].flatMap { reader.readWord($0, "privacy", of: PrivacyLevel.allCases.map(\.rawValue)) }
            .flatMap(PrivacyLevel.init(rawValue:)) ?? .public
    }

    mutating func readImage(_ node: ManifestNode, _ path: String) -> StepSpec.Image? {
        let wanted = "host, or the path or blob:<digest> of an archive"
        guard let text = reader.readText(node, path, wanted: wanted) else { return nil }
        if text == "host" { return .host }
        guard !text.hasPrefix("volume:"), Template(text).places.isEmpty else {
            let help = text.hasPrefix("volume:") ? "an image is sent along, or is there as a blob" : nil
            reader.refuse("bad_value", node, path, wanted: wanted + ", without {places}", help: help)
            return nil
        }
        do throws(JobsFailure) {
            guard case .local(let local) = try InputSource(text) else { return .source(text) }
            switch resolver.presence?(local) {
            case .missing(let near)?:
                let tag = text.contains(":") && !text.contains("/")
                reader.report(
                    "not_found", at: node, path, "image `\(clipped(local))` is not there", wanted: wanted,
                    help: near.map { "did you mean `\($0)`?" }
                        ?? (tag ? "images are files: `skopeo copy docker://\(text) oci-archive:image.tar`" : nil))
            case .directory?:
                reader.report(
                    "bad_value", at: node, path, "image `\(clipped(local))` is a folder", wanted: wanted,
                    help: "write it to an archive: `tar -C \(clipped(local)) -czf image.tar.gz .`")
            case .file?:
                if let mistake = resolver.imageMistake?(local) {
                    reader.report(
                        "bad_image", at: node, path, "image `\(clipped(local))` \(mistake)",
                        wanted: "a tar of a root file system, plain or by gzip, or of an OCI layout")
                }
            case nil: break
            }
            return .source(local)
        } catch {
            reader.report(error.code, at: node, path, error.message, wanted: wanted)
            return nil
        }
    }

    mutating func readVerify(_ node: ManifestNode, _ path: String) -> StepSpec.Verification? {
        guard case .scalar(let text, _) = node.content, let owners = ManifestReader.integer(text) else {
            return reader.readWord(node, path, of: ["auto", "none"]).map { $0 == "none" ? .none : .auto }
        }
        guard (2...Quorum.maxResults).contains(owners) else {
            reader.refuse("out_of_range", node, path, wanted: "auto, none, or 2 to \(Quorum.maxResults) owners")
            return nil
        }
        return .owners(owners)
    }
}
