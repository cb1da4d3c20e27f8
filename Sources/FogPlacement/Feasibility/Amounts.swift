internal import FogCore

/// Capacity or demand as plain numbers, clamped to what the arithmetic of placement is exact for.
///
/// Reports come from other people's machines: without the bounds a boasted 2^63 bytes would overflow a product.
struct Amounts: Hashable, Sendable {
    /// 4 million cores.
    static let maxMillicores: Int64 = 1 << 32
    /// 64 TiB.
    static let maxBytes: Int64 = 1 << 46
    static let maxCount: Int64 = 1 << 20

    var cpu: Int64
    var memory: Int64
    var disk: Int64
    var gpu: Int64
    var slots: Int64

    private static func clamp(_ value: Int64, _ bound: Int64) -> Int64 { max(0, min(value, bound)) }

    init(cpu: Millicores, memory: ByteCount, disk: ByteCount, gpu: Int, slots: Int) {
        self.cpu = Self.clamp(cpu.count, Self.maxMillicores)
        self.memory = Self.clamp(memory.bytes, Self.maxBytes)
        self.disk = Self.clamp(disk.bytes, Self.maxBytes)
        self.gpu = Self.clamp(Int64(gpu), Self.maxCount)
        self.slots = Self.clamp(Int64(slots), Self.maxCount)
    }

    /// What one attempt reserves. Not clamped from above: a demand beyond every bound fits nowhere.
    init(_ demand: ResourceRequest) {
        cpu = max(0, demand.cpu.count)
        memory = max(0, demand.memory.bytes)
        disk = max(0, demand.disk.bytes)
        gpu = max(0, Int64(demand.gpu))
        slots = 1
    }

    /// The whole of what the node may ever give as it is: the machine within its owner's caps.
    ///
    /// The caps of an allowance that is not open say nothing of the one that will be, so only an open one counts.
    @inline(__always) init(totalOf node: NodeRecord) {
        let open = node.allowance.state == .open
        self.init(
            cpu: open ? min(node.report.cpu, node.allowance.cpuCap) : node.report.cpu,
            memory: open ? min(node.report.memory, node.allowance.memoryCap) : node.report.memory,
            disk: node.report.disk,
            gpu: node.report.gpu, slots: open ? node.allowance.slots : Int(Self.maxCount))
    }

    /// What a node may be given to run one after another: the total, as often as its queue of short tasks is deep.
    @inline(__always) func ahead(_ node: NodeRecord) -> Amounts {
        let depth = Int64(max(1, min(NodeRecord.maxPrefetch, node.prefetch)))
        var whole = self
        whole.cpu = min(cpu * depth, Self.maxMillicores)
        whole.memory = min(memory * depth, Self.maxBytes)
        whole.disk = min(disk * depth, Self.maxBytes)
        whole.gpu = min(gpu * depth, Self.maxCount)
        whole.slots = min(slots * depth, Self.maxCount)
        return whole
    }

    /// What new tasks may take now; never more than the total, whatever the record says.
    @inline(__always) init(freeOf node: NodeRecord, total: Amounts) {
        let free = node.free
        self.init(cpu: free.cpu, memory: free.memory, disk: free.disk, gpu: free.gpu, slots: free.slots)
        cpu = min(cpu, total.cpu)
        memory = min(memory, total.memory)
        disk = min(disk, total.disk)
        gpu = min(gpu, total.gpu)
        slots = min(slots, total.slots)
    }

    /// How many tasks of the demand fit into these amounts.
    func fit(_ demand: Amounts) -> Int {
        var count = slots
        if demand.cpu > 0 { count = min(count, cpu / demand.cpu) }
        if demand.memory > 0 { count = min(count, memory / demand.memory) }
        if demand.disk > 0 { count = min(count, disk / demand.disk) }
        if demand.gpu > 0 { count = min(count, gpu / demand.gpu) }
        return Int(count)
    }

    mutating func take(_ demand: Amounts, times: Int) {
        let count = Int64(times)
        cpu -= demand.cpu * count
        memory -= demand.memory * count
        disk -= demand.disk * count
        gpu -= demand.gpu * count
        slots -= count
    }
}
