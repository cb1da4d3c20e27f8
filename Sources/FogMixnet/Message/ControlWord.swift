/// A short word of one end to the other: `code 1 | value 2`.
package enum ControlWord: Hashable, Sendable {
    /// The asker wants no answer any more.
    case cancel
    /// The answerer has more to say than SURBs to say it with.
    case needSURBs(UInt16)
    /// The asker has the whole answer, or knows of no such exchange: nothing is to be sent any more.
    case done
    /// The answerer takes no such request: it has too many, or the message is too large.
    case refused

    package func frame(of exchange: ExchangeID, isAnswer: Bool) -> MessageFrame {
        var frame = MessageFrame(.control, isAnswer: isAnswer, exchange: exchange)
        let (code, value): (UInt8, UInt16) =
            switch self {
            case .cancel: (1, 0)
            case .needSURBs(let count): (2, count)
            case .done: (3, 0)
            case .refused: (4, 0)
            }
        frame.content = [code, UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
        return frame
    }

    /// - Throws: `bad_frame` for a word that no end says.
    package init(_ frame: MessageFrame) throws(MixnetFailure) {
        let content = frame.content
        guard frame.kind == .control, content.count >= 3, content[3...].allSatisfy({ $0 == 0 }) else {
            throw MessageFrame.bad("a control word has three bytes")
        }
        let value = UInt16(content[1]) << 8 | UInt16(content[2])
        switch (content[0], value) {
        case (1, 0): self = .cancel
        case (2, _): self = .needSURBs(value)
        case (3, 0): self = .done
        case (4, 0): self = .refused
        default: throw MessageFrame.bad("control word \(content[0]) with value \(value)")
        }
    }
}
