import Foundation
import Testing

@testable import FogWorker

/// A machine made of folders, as the sensors read one.
struct MachineFixture {
    let folder: String
    var roots: SensorRoots

    static func with<Result>(_ body: (MachineFixture) throws -> Result) throws -> Result {
        try withFolder { try body(MachineFixture($0)) }
    }

    static func with<Result>(_ body: (MachineFixture) async throws -> Result) async throws -> Result {
        let path = FileManager.default.temporaryDirectory.path + "/fog-machine-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(MachineFixture(path))
    }

    init(_ folder: String) throws {
        self.folder = folder
        roots = SensorRoots()
        roots.sysfs = folder + "/sys"
        roots.proc = folder + "/proc"
        roots.dev = folder + "/dev"
        roots.run = folder + "/run"
        roots.zoneFile = folder + "/localtime"
        for name in ["sys", "proc", "dev", "run"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
        }
    }

    /// Files below a folder of the machine, each with its text and a line's end.
    func put(_ place: String, _ files: [String: String]) throws {
        for (name, text) in files {
            let path = "\(folder)/\(place)/\(name)"
            let parent = path[..<(path.lastIndex(of: "/") ?? path.endIndex)]
            try FileManager.default.createDirectory(atPath: String(parent), withIntermediateDirectories: true)
            try (text + "\n").write(toFile: path, atomically: false, encoding: .utf8)
        }
    }

    func link(_ path: String, to target: String) throws {
        let whole = "\(folder)/\(path)"
        let parent = whole[..<(whole.lastIndex(of: "/") ?? whole.endIndex)]
        try FileManager.default.createDirectory(atPath: String(parent), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: whole, withDestinationPath: target)
    }

    func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: "\(folder)/\(path)") }

    // MARK: - Input devices

    /// Bitmaps of an AT keyboard, a USB mouse and so on, as sysfs of Linux 6.1 has them.
    static let devices: [String: [String: String]] = [
        "keyboard": [
            "name": "AT Translated Set 2 keyboard", "capabilities/ev": "120013",
            "capabilities/key": "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe",
        ],
        "mouse": [
            "name": "Logitech USB Mouse", "capabilities/ev": "17", "capabilities/key": "ff0000 0 0 0 0",
            "capabilities/rel": "903",
        ],
        "touchscreen": [
            "name": "ELAN Touchscreen", "capabilities/ev": "b", "capabilities/key": "400 0 0 0 0 0",
            "capabilities/abs": "2608000 3", "properties": "2",
        ],
        "gamepad": [
            "name": "Xbox pad", "capabilities/ev": "20000b", "capabilities/key": "7cdb000000000000 0 0 0 0",
            "capabilities/abs": "3003f",
        ],
        "power": ["name": "Power Button", "capabilities/ev": "3", "capabilities/key": "10000000000000 0"],
        "lid": ["name": "Lid Switch", "capabilities/ev": "21", "capabilities/key": "0"],
        "brightness": [
            "name": "Video Bus", "capabilities/ev": "3", "capabilities/key": "3e000b00000000 0 0 0",
        ],
        "accelerometer": [
            "name": "LIS3LV02DL Accelerometer", "capabilities/ev": "b", "capabilities/key": "1000000000000 0 0 0 0",
            "capabilities/abs": "7", "properties": "40",
        ],
        "speaker": ["name": "PC Speaker", "capabilities/ev": "40001"],
    ]

    /// A device whose events come out of a FIFO that the test writes into.
    func addInput(_ event: String, _ device: String, isReadable: Bool = true) throws {
        try put("sys/class/input/\(event)/device", Self.devices[device] ?? [:])
        try FileManager.default.createDirectory(atPath: roots.dev + "/input", withIntermediateDirectories: true)
        #expect(mkfifo("\(roots.dev)/input/\(event)", isReadable ? 0o600 : 0) == 0)
    }

    /// One event as the kernel writes it: two longs of time, type, code, value.
    static func event(type: UInt16, code: UInt16 = 0, value: Int32 = 1) -> [UInt8] {
        [UInt8](repeating: 0, count: 16) + withUnsafeBytes(of: type, Array.init)
            + withUnsafeBytes(of: code, Array.init) + withUnsafeBytes(of: value, Array.init)
    }

    /// The end of a device by which events are sent.
    func handOn(_ event: String) -> FileHandle? { FileHandle(forUpdatingAtPath: "\(roots.dev)/input/\(event)") }
}
