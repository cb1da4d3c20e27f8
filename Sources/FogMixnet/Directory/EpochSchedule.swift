package import FogCore

/// Time cut into epochs, and each epoch into eighths: what authorities agree on during one epoch holds in the next.
///
/// Until 1/8 nodes hand in their descriptors, until 2/8 authorities exchange votes, until 3/8 what they reveal and which
/// votes they saw, until 5/8 signatures; from then on the consensus is served. As in Katzenpost (authority/voting/server).
package struct EpochSchedule: Hashable, Sendable {
    package static let eighths: Int64 = 8
    /// Epochs that a consensus may be used in: its own, and two more when nothing newer can be had.
    package static let validEpochs: UInt64 = 3
    /// Of an epoch. A shorter one leaves no time to agree, a longer one keeps keys longer than they should live.
    package static let lengthRange = TimeSpan.seconds(2)...TimeSpan.hours(24)

    package let length: TimeSpan

    /// - Throws: `bad_epoch` for a length out of ``lengthRange``.
    package init(length: TimeSpan) throws(MixnetFailure) {
        guard Self.lengthRange.contains(length) else {
            throw MixnetFailure(
                "bad_epoch",
                "an epoch lasts \(Self.lengthRange.lowerBound) to \(Self.lengthRange.upperBound), found \(length)")
        }
        self.length = length
    }

    package func epoch(at time: Timestamp) -> UInt64 {
        UInt64(max(0, time.microseconds)) / UInt64(length.milliseconds * 1000)
    }

    /// - Parameter eighths: how many of them after the epoch's begin.
    package func time(of epoch: UInt64, eighths: Int64 = 0) -> Timestamp {
        let span = UInt64(length.milliseconds * 1000)
        let (start, overflow) = epoch.multipliedReportingOverflow(by: span)
        let begin = overflow || start > UInt64(Int64.max) ? Int64.max / 2 : Int64(start)
        return Timestamp(microseconds: begin + Int64(span) / Self.eighths * eighths)
    }

    /// The epoch that descriptors are handed in for now; nil when the time for it is over.
    package func describedEpoch(at time: Timestamp) -> UInt64? {
        let current = epoch(at: time)
        return time < self.time(of: current, eighths: 1) ? current + 1 : nil
    }

    /// The newest epoch whose consensus may be there: it is signed and served from 5/8 of the one before on.
    package func newestEpoch(at time: Timestamp) -> UInt64 {
        let current = epoch(at: time)
        return time < self.time(of: current, eighths: 5) ? current : current + 1
    }

    /// From when on a consensus is of no use.
    package func end(ofConsensus epoch: UInt64) -> Timestamp { time(of: epoch &+ Self.validEpochs) }
}
