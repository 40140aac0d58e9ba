# Who acts, and what each may do in the whole project. What concerns one bucket, secret or repository is granted
# on that alone, in the module that makes it. Text-to-Speech knows no roles: any identity of a project that has
# its API enabled may call it.

locals {
  accounts = {
    worker = {
      title       = "Render machines"
      description = "Renders videos: both buckets, Text-to-Speech, Prefect's API."
    }
    control = {
      title       = "Control machine"
      description = "Sizes the fleet and takes care of jobs of lost machines."
    }
    api = {
      title       = "Prefect's API"
      description = "Serves Prefect's API from its database."
    }
    deployer = {
      title       = "Deployer"
      description = "For Cloud Build and CI: pushes images and declares deployments. No person acts as it."
    }
  }
  machines = ["worker", "control", "api"]

  # Put together from the names rather than read back, so that a plan shows who gets what before anybody exists.
  emails = {
    for key, account in google_service_account.this :
    key => "${account.account_id}@${var.project_id}.iam.gserviceaccount.com"
  }
  members = { for key, email in local.emails : key => "serviceAccount:${email}" }

  fleet_role  = "projects/${var.project_id}/roles/${google_project_iam_custom_role.fleet.role_id}"
  finder_role = "projects/${var.project_id}/roles/${google_project_iam_custom_role.finder.role_id}"

  machine_roles = {
    for pair in setproduct(local.machines, ["roles/logging.logWriter", "roles/monitoring.metricWriter"]) :
    "${pair[0]} ${basename(pair[1])}" => { account = pair[0], role = pair[1] }
  }

  # Ports of tunnels. 4200: Prefect's API; 4300: the dashboard; 22: a shell.
  tunnels = merge(
    { deployer = { member = local.members["deployer"], ports = [4200] } },
    { for member in var.operators : member => { member = member, ports = [4200, 4300] } },
    { for member in var.administrators : member => { member = member, ports = [22, 4200, 4300] } },
  )
  people = toset(concat(var.operators, var.administrators))

  # A client whose quota is this project's needs serviceusage.services.use, as that of the buckets and of gcloud.
  people_roles = ["roles/logging.viewer", "roles/monitoring.viewer", "roles/serviceusage.serviceUsageConsumer"]
}

resource "google_service_account" "this" {
  for_each = local.accounts

  project      = var.project_id
  account_id   = "${var.name}-${each.key}"
  display_name = each.value.title
  description  = each.value.description
}

resource "google_project_iam_member" "machine" {
  for_each = local.machine_roles

  project = var.project_id
  role    = each.value.role
  member  = local.members[each.value.account]
}

# The requests of trivia_render/fleet/compute_api.py, and no more: it can neither make a machine of another
# kind nor reach one. Compute Engine takes no condition by name on instance groups, so this is the project's.
resource "google_project_iam_custom_role" "fleet" {
  project     = var.project_id
  role_id     = replace("${var.name}_fleet_sizer", "-", "_")
  title       = "Fleet sizer (${var.name})"
  description = "Reads managed instance groups, changes their size and deletes machines of theirs."
  permissions = [
    "compute.autoscalers.get",              # regionAutoscalers.get: is another one at work?
    "compute.instanceGroupManagers.get",    # regionInstanceGroupManagers.get
    "compute.instanceGroupManagers.list",   # regionInstanceGroupManagers.listManagedInstances
    "compute.instanceGroupManagers.update", # regionInstanceGroupManagers.resize and deleteInstances
    "compute.regionOperations.get",         # regionOperations.wait
  ]
}

resource "google_project_iam_member" "control_fleet" {
  project = var.project_id
  role    = local.fleet_role
  member  = local.members["control"]
}

# --- People, and the deployer: tunnels to some ports, and a view of the machines to name one.

resource "google_project_iam_member" "tunnel" {
  for_each = local.tunnels

  project = var.project_id
  role    = "roles/iap.tunnelResourceAccessor"
  member  = each.value.member

  condition {
    title      = "${var.name} ports ${join(", ", each.value.ports)}"
    expression = join(" || ", [for port in each.value.ports : "destination.port == ${port}"])
  }
}

# Builds of images run as the deployer, and log.
resource "google_project_iam_member" "deployer_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = local.members["deployer"]
}

# What naming a machine takes, of the hundreds of permissions of roles/compute.viewer.
resource "google_project_iam_custom_role" "finder" {
  project     = var.project_id
  role_id     = replace("${var.name}_machine_finder", "-", "_")
  title       = "Machine finder (${var.name})"
  description = "Finds the machine that a tunnel shall lead to."
  permissions = [
    "compute.instanceGroupManagers.get",
    "compute.instanceGroupManagers.list",
    "compute.instances.get",
    "compute.instances.list",
    "compute.projects.get",
    "compute.zones.list",
  ]
}

resource "google_project_iam_member" "finder" {
  for_each = local.tunnels

  project = var.project_id
  role    = local.finder_role
  member  = each.value.member
}

resource "google_project_iam_member" "people_view" {
  for_each = {
    for pair in setproduct(local.people, local.people_roles) :
    "${pair[0]} ${basename(pair[1])}" => { member = pair[0], role = pair[1] }
  }

  project = var.project_id
  role    = each.value.role
  member  = each.value.member
}

resource "google_project_iam_member" "shell" {
  for_each = toset(var.administrators)

  project = var.project_id
  role    = "roles/compute.osAdminLogin"
  member  = each.value
}

# OS Login asks for this on a machine that has an identity: whoever is on it can act as it.
resource "google_service_account_iam_member" "shell" {
  for_each = {
    for pair in setproduct(local.machines, var.administrators) :
    "${pair[0]} ${pair[1]}" => { account = pair[0], member = pair[1] }
  }

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails[each.value.account]}"
  role               = "roles/iam.serviceAccountUser"
  member             = each.value.member
}
