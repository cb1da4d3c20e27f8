package import FogCore

extension BatchInstance {
    /// Reads the form `fog-placement-1`: nodes and jobs as columns of equal length.
    ///
    /// - Throws: `bad_instance`, with the path of the field.
    package init(_ document: JSON) throws(PlacementFailure) {
        guard document["format"]?.string == "fog-placement-1" else {
            throw Columns.failure("format", "must be fog-placement-1")
        }
        let nodes = try Columns(document, "nodes", bound: Self.maxNodes)
        let jobs = try Columns(document, "jobs", bound: Self.maxJobs)
        try Self.checkSize(jobs: jobs.count, nodes: nodes.count)
        try self.init(
            name: document["name"]?.string ?? "", nodes: Self.readNodes(nodes),
            jobs: Self.readJobs(jobs, nodes: nodes.count))
    }

    /// Candidates are listed pair by pair: 4 bytes each.
    static func checkSize(jobs: Int, nodes: Int) throws(PlacementFailure) {
        let pairs = jobs.multipliedReportingOverflow(by: nodes)
        guard !pairs.overflow, pairs.partialValue <= maxPairs else {
            throw Columns.failure("jobs.id", "\(jobs) jobs on \(nodes) nodes are more than \(maxPairs) pairs")
        }
    }

    private static func readNodes(_ columns: Columns) throws(PlacementFailure) -> [Node] {
        let capacity = try columns.amounts(prefix: ""), used = try columns.amounts(prefix: "used_")
        let region = try columns.integers("region", 0...63), tier = try columns.integers("tier", 0...1_000_000)
        let speed = try columns.numbers("speed", above: 0), latency = try columns.numbers("net_ms")
        let bandwidth = try columns.numbers("bw_mbps", above: 0), availability = try columns.numbers("avail_s")
        let trust = try columns.numbers("trust"), core = try columns.numbers("cpu_cost")
        let memory = try columns.numbers("mem_cost"), spot = try columns.numbers("ask_spot")
        let ondemand = try columns.numbers("ask_ondemand"), reserved = try columns.numbers("ask_reserved")
        return (0..<columns.count).map { index in
            var node = Node(capacity: capacity[index], used: used[index])
            node.region = Int(region[index])
            node.tier = Int(tier[index])
            node.speed = speed[index]
            node.latencyMilliseconds = latency[index]
            node.megabitsPerSecond = bandwidth[index]
            node.availabilitySeconds = availability[index]
            node.trust = trust[index]
            node.coreCost = core[index]
            node.memoryCost = memory[index]
            node.asks = SIMD4(spot[index], ondemand[index], reserved[index], 0)
            return node
        }
    }

    private static func readJobs(_ columns: Columns, nodes: Int) throws(PlacementFailure) -> [Job] {
        let request = try columns.amounts(prefix: "")
        let work = try columns.numbers("work_core_s"), input = try columns.numbers("input_mb")
        let mask = try columns.integers("region_mask", 0...Int64.max)
        let tier = try columns.integers("min_tier", 0...1_000_000), trust = try columns.numbers("min_trust")
        let latency = try columns.numbers("max_latency_ms"), deadline = try columns.numbers("deadline_s")
        let cost = try columns.numbers("max_cost"), price = try columns.numbers("max_price")
        let sla = try columns.words("sla") { SLAClass(rawValue: $0) }
        let names = ["spot": Bid.spot, "ondemand": .ondemand, "reserved": .reserved]
        let bid = try columns.words("bid") { names[$0] }
        let excluded = try columns.lists("excluded", below: nodes)
        for index in 0..<columns.count where request[index][0] == 0 {
            throw Columns.failure("jobs.cpu_m[\(index)]", "must be more than 0")
        }
        return (0..<columns.count).map { index in
            var job = Job(request: request[index])
            job.sla = sla[index]
            job.bid = bid[index]
            job.workCoreSeconds = work[index]
            job.inputMebibytes = input[index]
            job.regionMask = UInt64(mask[index])
            job.minTier = Int(tier[index])
            job.minTrust = trust[index]
            job.maxLatencyMilliseconds = latency[index]
            job.deadlineSeconds = deadline[index]
            job.maxCost = cost[index]
            job.maxPrice = price[index]
            job.excluded = excluded[index]
            return job
        }
    }
}

/// An object of arrays of equal length.
private struct Columns {
    private let path: String
    private var columns: [String: [JSON]] = [:]
    let count: Int

    static func failure(_ path: String, _ message: String) -> PlacementFailure {
        PlacementFailure("bad_instance", "\(path): \(message)")
    }

    init(_ document: JSON, _ path: String, bound: Int) throws(PlacementFailure) {
        self.path = path
        for member in document[path]?.members ?? [] { columns[member.name] = member.value.array }
        guard let ids = columns["id"], !ids.isEmpty, ids.count <= bound else {
            throw Self.failure("\(path).id", "must be an array of 1 to \(bound), found \(columns["id"]?.count ?? 0)")
        }
        count = ids.count
    }

    private func column(_ name: String) throws(PlacementFailure) -> [JSON] {
        guard let column = columns[name] else { throw Self.failure("\(path).\(name)", "is missing") }
        guard column.count == count else {
            throw Self.failure("\(path).\(name)", "has \(column.count) values, must have \(count) like id")
        }
        return column
    }

    func numbers(_ name: String, above: Double? = nil) throws(PlacementFailure) -> [Double] {
        var numbers: [Double] = []
        numbers.reserveCapacity(count)
        for value in try column(name) {
            guard let number = value.number, number >= 0, above.map({ number > $0 }) ?? true else {
                let wanted = above.map { "more than \($0)" } ?? "0 or more"
                throw Self.failure("\(path).\(name)[\(numbers.count)]", "must be a number, \(wanted)")
            }
            numbers.append(number)
        }
        return numbers
    }

    func integers(_ name: String, _ range: ClosedRange<Int64>) throws(PlacementFailure) -> [Int64] {
        var integers: [Int64] = []
        integers.reserveCapacity(count)
        for value in try column(name) {
            guard let integer = value.integer, range.contains(integer) else {
                throw Self.failure(
                    "\(path).\(name)[\(integers.count)]",
                    "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            integers.append(integer)
        }
        return integers
    }

    /// The four amounts; bounded so that the sum over all jobs fits 64 bits and one over a node 32.
    func amounts(prefix: String) throws(PlacementFailure) -> [SIMD4<Int32>] {
        var amounts = [SIMD4<Int32>](repeating: .zero, count: count)
        for (place, name) in ["cpu_m", "mem_mb", "disk_mb", "gpu"].enumerated() {
            for (index, value) in try integers(prefix + name, 0...(1 << 30)).enumerated() {
                amounts[index][place] = Int32(value)
            }
        }
        return amounts
    }

    func words<Word>(_ name: String, _ read: (String) -> Word?) throws(PlacementFailure) -> [Word] {
        var words: [Word] = []
        for value in try column(name) {
            guard let word = value.string.flatMap(read) else {
                throw Self.failure("\(path).\(name)[\(words.count)]", "found `\(value.compact.prefix(40))`")
            }
            words.append(word)
        }
        return words
    }

    func lists(_ name: String, below bound: Int) throws(PlacementFailure) -> [[Int]] {
        var lists: [[Int]] = []
        for value in try column(name) {
            let list = (value.array ?? []).compactMap(\.integer).map(Int.init)
            guard let found = value.array?.count, found == list.count, list.allSatisfy({ 0..<bound ~= $0 }) else {
                throw Self.failure("\(path).\(name)[\(lists.count)]", "must be indexes of nodes")
            }
            lists.append(list)
        }
        return lists
    }
}
