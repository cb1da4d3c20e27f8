import Glibc

/// A device of /dev/input by which somebody could tell the machine something.
struct InputDevice: Hashable, Sendable {
    enum Kind: String, Sendable {
        case keyboard, pointer, touch, controller
    }

    var kind: Kind
    /// As the device calls itself: "AT Translated Set 2 keyboard".
    var name: String

    // linux/input-event-codes.h
    private static let (eventKey, eventRelative, eventAbsolute): (UInt16, UInt16, UInt16) = (1, 2, 3)
    /// KEY_ESC to KEY_DELETE: what one types with. Buttons for power (116), sleep (142), the lid and the brightness
    /// (224 and on) lie above: firmware presses those too.
    private static let typing = 1...111
    private static let controllers = 0x120...0x13f
    private static let (buttonMouse, buttonTouch, toolPen) = (0x110, 0x14a, 0x140)
    private static let (relativeX, relativeY, absoluteX, absoluteMultiX) = (0, 1, 0, 0x35)
    private static let propertyAccelerometer = 6

    /// Nil for what nobody presses, moves or touches: lid, power button, speaker, accelerometer.
    /// - Parameter folder: `/sys/class/input/event3/device`.
    init?(_ folder: String) {
        func bits(_ name: String) -> Bits { Bits(SensorFile.text("\(folder)/capabilities/\(name)") ?? "") }
        let (events, keys, relative, absolute) = (bits("ev"), bits("key"), bits("rel"), bits("abs"))
        let properties = Bits(SensorFile.text(folder + "/properties") ?? "")
        guard !properties.contains(Self.propertyAccelerometer) else { return nil }
        name = SensorFile.text(folder + "/name", limit: 256) ?? ""
        let hasKeys = events.contains(Int(Self.eventKey))
        if hasKeys, Self.typing.contains(where: keys.contains) {
            kind = .keyboard
        } else if hasKeys, events.contains(Int(Self.eventRelative)), keys.contains(Self.buttonMouse),
            relative.contains(Self.relativeX) || relative.contains(Self.relativeY)
        {
            kind = .pointer
        } else if hasKeys, events.contains(Int(Self.eventAbsolute)),
            absolute.contains(Self.absoluteX) || absolute.contains(Self.absoluteMultiX),
            [Self.buttonMouse, Self.buttonTouch, Self.toolPen].contains(where: keys.contains)
        {
            kind = .touch
        } else if hasKeys, Self.controllers.contains(where: keys.contains) {
            kind = .controller
        } else {
            return nil
        }
    }

    /// Whether an event of this type is somebody's doing. Sticks drift, and dials of keyboards do.
    func counts(_ type: UInt16) -> Bool {
        switch kind {
        case .keyboard: type == Self.eventKey || type == Self.eventRelative
        case .controller: type == Self.eventKey
        case .pointer, .touch: (Self.eventKey...Self.eventAbsolute).contains(type)
        }
    }

    /// A bitmap as sysfs writes it: words of 64 bits in hexadecimal, the highest first.
    struct Bits: Hashable, Sendable {
        private let words: [UInt64]

        init(_ text: String) {
            words = text.split(separator: " ").prefix(64).reversed().map { UInt64($0, radix: 16) ?? 0 }
        }

        func contains(_ bit: Int) -> Bool { bit / 64 < words.count && words[bit / 64] >> UInt64(bit % 64) & 1 == 1 }
    }
}
