import CFog
import FogCore
import Glibc

/// Keyboards, pointers and touch screens, each event at the moment it happens.
///
/// All devices lie in one epoll of their own, which itself can be waited for and let rest.
struct InputWatch: ~Copyable {
    static let maxDevices = 64
    /// `struct input_event`: two longs of time, type, code, value.
    static let eventBytes = 24
    private static let eventsAtOnce = 64

    let epoll: Int32
    /// Readable when devices come and go; -1 when the kernel gives none.
    let changes: Int32
    private let folder: String
    private let sysfs: String
    private var open: [String: (file: Int32, device: InputDevice)] = [:]
    private var watched: Int32 = -1
    /// Devices of somebody's hand that this process may not read.
    private(set) var unreadable: [String] = []

    var isEmpty: Bool { open.isEmpty }
    var names: [String] {
        open.values.map { $0.device.name.isEmpty ? $0.device.kind.rawValue : $0.device.name }.sorted()
    }

    init(_ roots: SensorRoots) {
        folder = roots.dev + "/input"
        sysfs = roots.sysfs + "/class/input"
        epoll = fog_epoll()
        changes = fog_watch()
        refresh()
    }

    deinit {
        for (file, _) in open.values { close(file) }
        close(epoll)
        if changes >= 0 { close(changes) }
    }

    /// Looks which devices there are.
    mutating func refresh() {
        if changes >= 0 {
            fog_watch_drain(changes)
            // Until the folder is there, the one that it will lie in.
            if fog_watch_folder(changes, folder) < 0 {
                if watched < 0 { watched = fog_watch_folder(changes, String(folder.dropLast("/input".count))) }
            } else if watched >= 0 {
                fog_watch_end(changes, watched)
                watched = -1
            }
        }
        unreadable = []
        let names = SensorFile.names(folder, prefix: "event", max: Self.maxDevices)
        for name in names where open[name] == nil {
            guard let device = InputDevice("\(sysfs)/\(name)/device") else { continue }
            let file = Glibc.open("\(folder)/\(name)", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
            if file >= 0, fog_epoll_add(epoll, file, UInt64(file)) == 0 {
                open[name] = (file, device)
            } else {
                if errno == EACCES || errno == EPERM { unreadable.append(device.name.isEmpty ? name : device.name) }
                if file >= 0 { close(file) }
            }
        }
        for name in open.keys where !names.contains(name) { forget(name) }
    }

    private mutating func forget(_ name: String) {
        guard let (file, _) = open.removeValue(forKey: name) else { return }
        fog_epoll_remove(epoll, file)
        close(file)
    }

    /// Reads all that waits.
    /// - Returns: the device, when some of it was somebody's doing.
    mutating func drain() -> String? {
        var used: String?
        for (name, entry) in open {
            switch Self.drain(entry.file, entry.device) {
            case .used: used = entry.device.kind.rawValue
            case .gone: forget(name)
            case .nothing: break
            }
        }
        return used
    }

    private enum Drained { case nothing, used, gone }

    private static func drain(_ file: Int32, _ device: InputDevice) -> Drained {
        withUnsafeTemporaryAllocation(byteCount: eventBytes * eventsAtOnce, alignment: 8) { buffer in
            var result = Drained.nothing
            // The kernel keeps a bounded number of events a reader; more turns than that are a device gone wild.
            for _ in 0..<64 {
                let count = read(file, buffer.baseAddress, buffer.count)
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EAGAIN { return result }
                guard count > 0 else { return .gone }
                for start in stride(from: 0, to: count - eventBytes + 1, by: eventBytes)
                where device.counts(buffer.loadUnaligned(fromByteOffset: start + 16, as: UInt16.self)) {
                    result = .used
                }
            }
            return result
        }
    }
}
