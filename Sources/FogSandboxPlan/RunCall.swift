/// What `fog-sandbox run` asks of the `fog sandbox serve` of its user: one packet, with its own standard descriptors.
package struct RunCall: Hashable, Sendable {
    /// The folder that relative paths start from.
    package var folder: String
    /// As on the command line, behind `run`: options, `--`, the command.
    package var words: [String]

    /// The socket's name in Fog's state folder.
    package static let socketName = "sandbox.sock"
    private static let number: UInt8 = 32

    package init(folder: String, words: [String]) { (self.folder, self.words) = (folder, words) }

    package init(_ bytes: UnsafeRawBufferPointer) throws(PlanFailure) {
        var reader = try PlanReader(bytes)
        guard reader.kind == Self.number else { throw .foreign(at: 6) }
        folder = String(cString: try reader.text())
        words = []
        for _ in 0..<(try reader.count(max: PlanLimits.arguments)) { words.append(String(cString: try reader.text())) }
        try reader.end()
    }

    /// - Throws: `tooLarge`, `tooMany`, `badText` for what fits into no packet.
    package func encoded() throws(PlanFailure) -> [UInt8] {
        var writer = PlanWriter(number: Self.number, sequence: 0)
        writer.text(folder)
        writer.count(words.count, max: PlanLimits.arguments)
        for word in words { writer.text(word) }
        return try writer.finish()
    }
}

/// What comes back, once.
package enum RunAnswer: Hashable, Sendable {
    /// The command has ended, and everything it wrote has been passed on.
    case ended(shellCode: UInt8)
    /// Nothing was started: the whole `fog sandbox run` is to do it.
    case elsewhere

    private static let number: UInt8 = 33

    package init(_ bytes: UnsafeRawBufferPointer) throws(PlanFailure) {
        var reader = try PlanReader(bytes)
        guard reader.kind == Self.number else { throw .foreign(at: 6) }
        let isEnded: UInt8 = try reader.integer(), code: UInt8 = try reader.integer()
        guard isEnded <= 1 else { throw .foreign(at: 12) }
        self = isEnded == 1 ? .ended(shellCode: code) : .elsewhere
        try reader.end()
    }

    package var encoded: [UInt8] {
        var writer = PlanWriter(number: Self.number, sequence: 0)
        switch self {
        case .ended(let code):
            writer.integer(UInt8(1))
            writer.integer(code)
        case .elsewhere: writer.integer(UInt16(0))
        }
        return writer.bytes
    }
}
