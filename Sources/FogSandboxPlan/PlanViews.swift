/// A mount whose texts point into the packet.
package struct MountView {
    package let kind: UInt8
    package let descriptor: Int32
    package let source: UnsafePointer<CChar>
    package let target: UnsafePointer<CChar>
    package let options: UnsafePointer<CChar>
}

/// A ``TemplatePlan`` read in place. Valid as long as the packet's memory.
package struct TemplateView {
    package let isolated: Bool
    package let loopback: Bool
    package let landlock: Bool
    package let preparesAhead: Bool
    package let insideID: UInt32
    package let hostID: UInt32
    package let hostname: UnsafePointer<CChar>
    package let mounts: [MountView]
    package let taskMounts: [MountView]
    package let rules: [(access: UInt8, isLate: Bool, path: UnsafePointer<CChar>)]
    package let filter: UnsafeRawBufferPointer
    package let sharedFilter: UnsafeRawBufferPointer

    package init(_ reader: inout PlanReader) throws(PlanFailure) {
        let flags: UInt8 = try reader.integer()
        guard flags < 16 else { throw .foreign(at: 12) }
        isolated = flags & 1 != 0
        loopback = flags & 2 != 0
        landlock = flags & 4 != 0
        preparesAhead = flags & 8 != 0
        insideID = try reader.integer()
        hostID = try reader.integer()
        hostname = try reader.text()
        mounts = try reader.mounts()
        taskMounts = try reader.mounts()
        var rules: [(access: UInt8, isLate: Bool, path: UnsafePointer<CChar>)] = []
        for _ in 0..<(try reader.count(max: PlanLimits.rules)) {
            let access: UInt8 = try reader.integer()
            guard PlanRule.Access(rawValue: access) != nil else { throw .foreign(at: 0) }
            rules.append((access, try reader.integer() as UInt8 != 0, try reader.text()))
        }
        self.rules = rules
        filter = try reader.filter()
        sharedFilter = try reader.filter()
        try reader.end()
    }
}

/// A ``LaunchPlan`` read in place. Valid as long as the packet's memory.
package struct LaunchView {
    package let sequence: UInt32
    package let niceness: Int8
    package let isIdle: Bool
    package let folder: UnsafePointer<CChar>
    package let path: UnsafePointer<CChar>
    package let mounts: [MountView]
    package let limits: [(resource: UInt8, soft: UInt64, hard: UInt64)]
    package let processors: [UInt16]
    /// Closed by a nil, as execve(2) wants it; at least one argument.
    package let arguments: [UnsafeMutablePointer<CChar>?]
    package let environment: [UnsafeMutablePointer<CChar>?]

    package init(_ reader: inout PlanReader) throws(PlanFailure) {
        sequence = reader.sequence
        niceness = try reader.integer()
        isIdle = try reader.integer() as UInt8 != 0
        folder = try reader.text()
        path = try reader.text()
        mounts = try reader.mounts()
        var limits: [(resource: UInt8, soft: UInt64, hard: UInt64)] = []
        for _ in 0..<(try reader.count(max: PlanLimits.limits)) {
            limits.append((try reader.integer(), try reader.integer(), try reader.integer()))
        }
        self.limits = limits
        var processors: [UInt16] = []
        for _ in 0..<(try reader.count(max: PlanLimits.processors)) { processors.append(try reader.integer()) }
        self.processors = processors
        arguments = try reader.vector(max: PlanLimits.arguments)
        guard arguments.count > 1 else { throw .truncated(at: 0) }
        environment = try reader.vector(max: PlanLimits.variables)
        try reader.end()
    }
}

extension PlanReader {
    /// Binds without a place among the descriptors are opened by their source, which then may not be empty.
    fileprivate mutating func mounts() throws(PlanFailure) -> [MountView] {
        var mounts: [MountView] = []
        for _ in 0..<(try count(max: PlanLimits.mounts)) {
            let view = MountView(
                kind: try integer(), descriptor: try integer(), source: try text(), target: try text(),
                options: try text())
            guard PlanMount.Kind(rawValue: view.kind) != nil, view.descriptor >= -1,
                view.descriptor < Int32(PlanLimits.descriptors), view.target[0] != 0
            else { throw .foreign(at: mounts.count) }
            mounts.append(view)
        }
        return mounts
    }

    fileprivate mutating func filter() throws(PlanFailure) -> UnsafeRawBufferPointer {
        let length = Int(try integer(UInt32.self))
        guard length % 8 == 0, length / 8 <= PlanLimits.filterInstructions else { throw .tooMany(at: length) }
        return try raw(length)
    }

    fileprivate mutating func vector(max: Int) throws(PlanFailure) -> [UnsafeMutablePointer<CChar>?] {
        var texts: [UnsafeMutablePointer<CChar>?] = []
        for _ in 0..<(try count(max: max)) { texts.append(UnsafeMutablePointer(mutating: try text())) }
        texts.append(nil)
        return texts
    }
}
