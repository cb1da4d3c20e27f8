/// A message of the kernel's on a device: `change@/devices/…`, then `NAME=value`, each with a zero behind it
/// (lib/kobject_uevent.c).
struct Uevent: Hashable, Sendable {
    /// Longer ones are cut off; the kernel's own bound is 2048.
    static let maxBytes = 4096

    let subsystem: String

    /// Nil for what is no such message.
    init?(_ bytes: some Sequence<UInt8>) {
        let prefix = Array("SUBSYSTEM=".utf8)
        for part in Array(bytes).split(separator: 0) where part.starts(with: prefix) {
            subsystem = String(decoding: part.dropFirst(prefix.count), as: UTF8.self)
            return
        }
        return nil
    }
}
