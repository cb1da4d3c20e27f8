internal import FogCore

/// Places (`{name}`) against the parameters of the step in which they stand.
extension ManifestReading {
    /// Warns of places that are no parameter but nearly one: they stay as they are, which is seldom meant.
    mutating func checkPlaces(in texts: [Located], _ elements: Elements) {
        let names = elements.parameterNames + (elements == .single ? [] : ["index"])
        for located in texts where located.text.utf8.contains(UInt8(ascii: "{")) {
            for place in Set(Template(located.text).places).subtracting(names).sorted() {
                if names.isEmpty, place == "index" {
                    reader.report(
                        "no_elements", at: located.node, located.path,
                        "`{index}` stays as it is: there is no `array` and no `sweep`", severity: .warning)
                } else if let near = Self.near(place, among: names) {
                    reader.report(
                        "near_miss", at: located.node, located.path,
                        "`{\(place)}` stays as it is: there is no such parameter", wanted: "a parameter's name",
                        help: "did you mean `{\(near)}`?", severity: .warning)
                }
            }
        }
    }

    /// Any letter is one edit from any other, so short names are compared but for their case.
    private static func near(_ place: String, among names: [String]) -> String? {
        let shortest = 3
        return names.first { $0.lowercased() == place.lowercased() }
            ?? nearest(to: place, among: names.filter { min($0.utf8.count, place.utf8.count) >= shortest })
    }

    /// Values that may not stand in the text of `run`, where the shell would read them.
    mutating func checkShellValues(in keys: StepKeys, _ elements: Elements) {
        guard case .run(let text) = keys.action, let located = keys.actionTexts.first else { return }
        for place in Set(Template(text).places).sorted() {
            guard let value = elements.firstValue(of: place, where: { !Substitution.isShellSafe($0) }) else { continue }
            reader.report(
                "unsafe_value", at: located.node, located.path,
                "`{\(place)}` would put `\(clipped(value))` into a shell command",
                wanted: "values of A-Z a-z 0-9 . _ + : / @ % = , -", help: "use $FOG_PARAM_\(place) in its place")
        }
    }

    /// Values that would make a name leave the work folder.
    mutating func checkNameValues(in names: [Located], _ elements: Elements) {
        for located in names where located.text.utf8.contains(UInt8(ascii: "{")) {
            for place in Set(Template(located.text).places).sorted() {
                // A value that is the whole name may be a path with folders; a part of a name may not.
                let isWhole = located.text == "{\(place)}"
                let bad = elements.firstValue(of: place) { value in
                    isWhole ? WorkPath.mistake(in: value) != nil : !WorkPath.isSafePart(value)
                }
                guard let value = bad else { continue }
                reader.report(
                    "bad_path", at: located.node, located.path,
                    "`{\(place)}` would put `\(clipped(value))` into the name of a file",
                    wanted: "values without / and not . or ..", help: "use another parameter for the name")
            }
        }
    }
}

extension Elements {
    /// The first value of the named parameter that fits; numbers of ranges and indices are not looked at.
    fileprivate func firstValue(of name: String, where fits: (String) -> Bool) -> String? {
        switch self {
        case .single, .array: return nil
        case .product(let parameters):
            guard let parameter = parameters.first(where: { $0.name == name }),
                case .list(let values) = parameter.values
            else { return nil }
            return values.first(where: fits)
        case .table(let table):
            guard let column = table.columns.firstIndex(of: name) else { return nil }
            return table.rows.lazy.map { $0[column] }.first(where: fits)
        }
    }
}
