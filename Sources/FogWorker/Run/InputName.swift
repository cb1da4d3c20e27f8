import FogCore
import FogJobs

/// Names of inputs, checked once more where they become paths: a coordinator that was taken over must not reach beyond
/// the work folder.
enum InputName {
    static let maxBytes = 1024
    static let maxParts = 32
    /// Files of one lease; more are a mistake or an attack.
    static let maxInputs = 200_000

    /// What is wrong with the names together, or nil.
    static func mistake(in inputs: [LeaseInput]) -> String? {
        guard inputs.count <= maxInputs else { return "\(inputs.count) inputs, at most \(maxInputs)" }
        var names: Set<String> = []
        for input in inputs {
            let name = input.isFolder ? String(input.name.dropLast()) : input.name
            if let mistake = mistake(in: name) { return "the input `\(shown(name))` \(mistake)" }
            guard names.insert(name).inserted else { return "two inputs are named `\(shown(name))`" }
            guard input.size >= 0 else { return "the input `\(shown(input.name))` has a size of \(input.size)" }
        }
        for name in names {
            var parent = name[...]
            while let slash = parent.lastIndex(of: "/") {
                parent = parent[..<slash]
                if names.contains(String(parent)) { return "`\(shown(String(parent)))` is a file and a folder" }
            }
        }
        return nil
    }

    static func mistake(in name: String) -> String? {
        if name.hidesSlash { return "leaves the work folder" }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        if name.isEmpty || name.utf8.count > maxBytes || parts.count > maxParts { return "is empty or too long" }
        for part in parts {
            if part.isEmpty || part == "." || part == ".." || part.utf8.count > 255 { return "leaves the work folder" }
        }
        guard name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return "has a control character" }
        // The folder by which checkpoints come back is Fog's own.
        return parts.first == Substring(TaskEnvironment.checkpointName) ? "is the checkpoint folder" : nil
    }

    private static func shown(_ name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.prefix(120).map { $0.value < 0x20 ? "?" : $0 }))
    }
}
