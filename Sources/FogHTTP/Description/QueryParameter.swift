internal import FogCore

/// One parameter of a route's query. What is written here is what the document says and what the door takes: a
/// parameter that a route does not list never reaches it.
struct QueryParameter: Sendable {
    enum Shape: Sendable {
        case integer(ClosedRange<Int64>)
        /// `20s`, or 0.
        case duration
        case text(pattern: String?, wanted: String)
        case choice([String])
        /// Some of them, between commas.
        case choices([String])
    }

    let name: String
    let words: String
    let shape: Shape
    let isRequired: Bool

    init(_ name: String, _ shape: Shape, _ words: String, isRequired: Bool = false) {
        self.name = name
        self.shape = shape
        self.words = words
        self.isRequired = isRequired
    }

    /// The longest text, in characters.
    static let longestText = 1000

    // MARK: - What is taken

    var wanted: String {
        switch shape {
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .duration: "a duration such as 20s, or 0"
        case .text(_, let wanted): wanted
        case .choice(let choices): choices.joined(separator: " or ")
        case .choices(let choices): "some of \(choices.joined(separator: ", ")), between commas"
        }
    }

    func takes(_ text: String) -> Bool {
        switch shape {
        case .integer(let range):
            // One form for each number: no sign, no zero in front.
            Int64(text).map { range.contains($0) && String($0) == text } ?? false
        case .duration: text == "0" || (try? TimeSpan(text)) != nil
        case .text: (1...Self.longestText).contains(text.unicodeScalars.count)
        case .choice(let choices): choices.contains(text)
        case .choices(let choices):
            text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { choices.contains(String($0)) }
        }
    }

    // MARK: - What is said

    var json: JSON {
        .object([
            "name": .string(name), "in": "query", "required": .bool(isRequired), "description": .string(words),
            "schema": schema, "style": isList ? "form" : nil, "explode": isList ? false : nil,
        ])
    }

    private var isList: Bool { if case .choices = shape { true } else { false } }

    private var schema: JSON {
        switch shape {
        case .integer(let range):
            .object([
                "type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
            ])
        case .duration: .object(["type": "string", "pattern": #"^(0|[0-9]{1,4}(ms|s|m|h|d))$"#])
        case .text(let pattern, _):
            .object([
                "type": "string", "minLength": 1, "maxLength": .integer(Int64(Self.longestText)),
                "pattern": pattern.map(JSON.string),
            ])
        case .choice(let choices): .object(["type": "string", "enum": .array(choices.map(JSON.string))])
        case .choices(let choices):
            .object([
                "type": "array", "minItems": 1,
                "items": .object(["type": "string", "enum": .array(choices.map(JSON.string))]),
            ])
        }
    }
}
