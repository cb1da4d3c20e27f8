/// What a command prints on standard output.
package enum OutputMode: String, Sendable, CaseIterable {
    /// Words for people.
    case table
    /// One JSON document, or one a line where it streams; nothing else.
    case json
    /// The id alone, or nothing.
    case quiet
}
