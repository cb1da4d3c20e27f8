internal import FogCore

/// Inputs and outputs.
extension ManifestReading {
    mutating func readInputs(_ node: ManifestNode, _ path: String) -> [StepKeys.InputDraft]? {
        switch node.content {
        case .sequence:
            let list = reader.readList(node, path, wanted: "a list of paths", limit: ManifestLimits.maxInputs) ?? []
            var names: Set<String> = []
            return readTexts(list, path, wanted: "a path").compactMap { located in
                guard let draft = listedInput(located) else { return nil }
                guard names.insert(draft.name.text).inserted else {
                    reader.report(
                        "duplicate", at: located.node, located.path, "input `\(clipped(located.text))` stands twice",
                        wanted: "each input once")
                    return nil
                }
                return draft
            }
        case .mapping:
            let entries = reader.readMap(
                node, path, wanted: "a map of names to sources", limit: ManifestLimits.maxInputs)
            return (entries ?? []).compactMap { namedInput($0, path) }
        case .scalar:
            reader.refuse(
                node, path, wanted: "a list of paths, or a map of names to sources",
                help: node.isNothing ? nil : "write [\(node.summary.filter { $0 != "`" })]")
            return nil
        }
    }

    /// `data/x.csv`: name and source in one.
    private mutating func listedInput(_ located: Located) -> StepKeys.InputDraft? {
        guard let source = checkedSource(located) else { return nil }
        let isLocal = !source.text.hasPrefix("blob:") && !source.text.hasPrefix("volume:")
        guard isLocal, WorkPath.mistake(in: source.text) == nil else {
            let name = source.text.split(separator: "/").last { $0 != ".." && $0 != "." } ?? "name"
            let mistake = isLocal ? WorkPath.mistake(in: source.text) ?? "" : "has no name for the work folder"
            reader.report(
                "bad_path", at: located.node, located.path, "input `\(clipped(located.text))` \(mistake)",
                wanted: "a path below the manifest's folder",
                help: "give it a name: `inputs: {\(isLocal ? String(name) : "name"): \"\(clipped(located.text))\"}`")
            return nil
        }
        return StepKeys.InputDraft(name: source, source: source)
    }

    private mutating func namedInput(_ entry: ManifestNode.Entry, _ path: String) -> StepKeys.InputDraft? {
        let place = "\(path).\(entry.key)"
        let key = ManifestNode(.scalar(entry.key, quoted: false), at: entry.keyMark)
        let name = WorkPath.withoutDot(entry.key.hasSuffix("/") ? String(entry.key.dropLast()) : entry.key)
        if let mistake = WorkPath.mistake(in: name) {
            reader.report(
                "bad_path", at: key, place, "input `\(clipped(entry.key))` \(mistake)",
                wanted: "a relative name below the work folder")
        }
        guard let text = reader.readText(entry.value, place, wanted: Self.wantedSource),
            let source = checkedSource(Located(text: text, path: place, node: entry.value))
        else { return nil }
        return StepKeys.InputDraft(name: Located(text: name, path: place, node: key), source: source)
    }

    private static let wantedSource = "a path, blob:<digest> or volume:NAME"

    private mutating func checkedSource(_ located: Located) -> Located? {
        let text = located.text
        if let volume = VolumeReference(source: text) {
            if let mistake = volume.mistake {
                reader.report(
                    "bad_path", at: located.node, located.path, "`\(clipped(text))` \(mistake)",
                    wanted: "volume:NAME or volume:NAME/path")
                return nil
            }
            return located
        }
        // A source with places is looked at once they are filled.
        if Template(text).places.isEmpty {
            do throws(JobsFailure) {
                _ = try InputSource(text)
            } catch {
                reader.report(
                    error.code, at: located.node, located.path, error.message, wanted: Self.wantedSource)
                return nil
            }
        } else if let mistake = WorkPath.mistakeOfSource(text) {
            reader.report(
                "bad_path", at: located.node, located.path, "`\(clipped(text))` \(mistake)", wanted: "a path")
            return nil
        }
        return Located(text: InputSource.normalised(text), path: located.path, node: located.node)
    }

    mutating func readOutputs(_ node: ManifestNode, _ path: String) -> [Located]? {
        guard
            let list = reader.readList(
                node, path, wanted: "a list of files, dir/ or globs", limit: ManifestLimits.maxOutputs)
        else { return nil }
        var seen: Set<String> = []
        return readTexts(list, path, wanted: "a file, dir/ or glob").compactMap { located in
            let name = WorkPath.withoutDot(located.text)
            if let mistake = WorkPath.mistake(in: name) {
                reader.report(
                    "bad_path", at: located.node, located.path, "output `\(clipped(located.text))` \(mistake)",
                    wanted: "a relative name below the work folder")
                return nil
            }
            guard seen.insert(name).inserted else {
                reader.report(
                    "duplicate", at: located.node, located.path, "output `\(clipped(located.text))` stands twice",
                    wanted: "each output once")
                return nil
            }
            return Located(text: name, path: located.path, node: located.node)
        }
    }

    /// Looks at every concrete local source where somebody can look, and names the nearest file to a missing one.
    mutating func checkPresence(of inputs: [StepKeys.InputDraft], _ elements: Elements) {
        let maxTold = 5
        for input in inputs {
            let sources: [String]
            do throws(JobsFailure) {
                sources = try Substitution.distinct(input.source.text, over: elements)
            } catch {
                reader.report(error.code, at: input.source.node, input.source.path, error.message)
                continue
            }
            var told = 0
            for text in sources {
                let path: String
                do throws(JobsFailure) {
                    guard case .local(let local) = try InputSource(text) else { continue }
                    path = local
                } catch {
                    reader.report(error.code, at: input.source.node, input.source.path, error.message)
                    break
                }
                guard let look = resolver.presence, case .missing(let near) = look(path) else { continue }
                told += 1
                guard told <= maxTold else { break }
                reader.report(
                    "not_found", at: input.source.node, input.source.path, "input `\(clipped(path))` is not there",
                    wanted: "a file or directory", help: near.map { "did you mean `\($0)`?" })
            }
        }
    }
}
