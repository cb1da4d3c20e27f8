/// Options of the form `NAME=VALUE`, each name once.
package struct NamedValues: Hashable, Sendable {
    package let values: [String: String]

    /// - Parameter wanted: the form in words for people: `NAME=PATH`.
    /// - Throws: `misuse`.
    package init(_ texts: [String], option: String, wanted: String) throws {
        var values: [String: String] = [:]
        for text in texts {
            guard let equals = text.firstIndex(of: "="), equals > text.startIndex,
                text.index(after: equals) < text.endIndex
            else {
                throw CommandLineFailure("misuse", "\(option) takes \(wanted), found `\(text)`", status: .usage)
            }
            let name = String(text[..<equals])
            guard values.updateValue(String(text[text.index(after: equals)...]), forKey: name) == nil else {
                throw CommandLineFailure("misuse", "\(option): `\(name)` stands twice", status: .usage)
            }
        }
        self.values = values
    }
}
