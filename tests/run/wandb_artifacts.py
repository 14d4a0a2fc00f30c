"""As much of a W&B server as the client needs to send an artifact: what each question is answered with."""

from typing import Any

NAME = "kept"


def artifact_data(url: str, query: str, variables: dict) -> dict[str, Any]:
    """`url`: where files may be put. {} where the query is none of artifacts."""
    match query:
        case "ArtifactType":  # of one that is there already
            return {"project": {"artifact": None}}
        case "CreateArtifact":
            sequence = {"id": "sequence", "latestArtifact": None}
            return {"createArtifact": {"artifact": {"id": NAME, "state": "PENDING", "artifactSequence": sequence}}}
        case "CreateArtifactManifest":
            place = _upload(url, "manifest")
            return {"createArtifactManifest": {"artifactManifest": {"id": "manifest", "file": place}}}
        case "CreateArtifactFiles":
            files = [_upload(url, file["name"]) for file in variables["input"]["artifactFiles"]]
            return {"createArtifactFiles": {"files": {"edges": [{"node": one} for one in files]}}}
        case "CommitArtifact":
            return {"commitArtifact": {"artifact": {"id": NAME, "digest": ""}}}
        case "ArtifactByID":
            return {"artifact": _committed()}
        case "FetchArtifactManifest":
            return {"artifact": {"currentManifest": {"file": {"directUrl": f"{url}/manifest"}}}}
    return {}


def _upload(url: str, name: str) -> dict[str, Any]:
    place = {"id": name, "name": name, "displayName": name, "storagePath": name, "uploadMultipartUrls": None}
    return place | {"uploadUrl": f"{url}/{name}", "uploadHeaders": [], "artifact": {"id": NAME}}


def _committed() -> dict[str, Any]:
    project = {"id": "project", "internalId": "1", "name": "p", "entity": {"name": "lab"}}
    found = dict.fromkeys(("description", "metadata", "historyStep", "commitHash", "updatedAt", "aliases"))
    found |= {"__typename": "Artifact", "id": NAME, "state": "COMMITTED", "digest": "", "createdAt": "2026-01-01"}
    found |= {"versionIndex": 0, "ttlDurationSeconds": -1, "ttlIsInherited": False, "tags": [], "size": 0}
    found |= {"fileCount": 1, "artifactType": {"name": "run_table"}}
    return found | {"artifactSequence": {"__typename": "ArtifactSequence", "name": NAME, "project": project}}
