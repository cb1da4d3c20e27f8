/// What a node needs for the packets of one epoch. With its last reference the key is erased.
package final class EpochKeys: Sendable {
    package let key: MixKey
    package let draw: DelayDraw
    package let replays: ReplaySet

    package init(key: MixKey, draw: DelayDraw, replays: ReplaySet) {
        self.key = key
        self.draw = draw
        self.replays = replays
    }

    package var epoch: UInt64 { key.epoch }
}
